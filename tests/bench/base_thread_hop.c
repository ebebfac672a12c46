/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of bench_fiber: work handed to a thread by a condition variable, its end told by an eventfd
 * to an epoll loop. No code of the project.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { HOPS = 20000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static int n_asked, n_done, done_fd;
static long samples[HOPS];

static void *worker(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		while (n_done == n_asked)
			pthread_cond_wait(&work, &lock);
		n_done++;
		pthread_mutex_unlock(&lock);
		if (eventfd_write(done_fd, 1) < 0)
			abort();
	}
	return arg;
}

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void hop(int epoll_fd)
{
	struct epoll_event event;
	eventfd_t n;

	pthread_mutex_lock(&lock);
	n_asked++;
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
	if (epoll_wait(epoll_fd, &event, 1, -1) != 1 || eventfd_read(done_fd, &n) < 0)
		abort();
}

int main(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread;

	done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, done_fd, &event);
	pthread_create(&thread, NULL, worker, NULL);
	for (int i = 0; i < HOPS; i++) {
		long began = now_ns();

		hop(epoll_fd);
		samples[i] = now_ns() - began;
	}
	qsort(samples, HOPS, sizeof(*samples), by_size);
	double p50 = (double)samples[HOPS / 2] / 1e3, p99 = (double)samples[HOPS * 99 / 100] / 1e3;
	printf("%g %g %g\n", p50, p50, p99);
	return 0;
}
