/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server of bare_evhttp.h: evhttp as its manual has it.
 */
#include "tests/bench/bare_evhttp.h"

#include "tests/bench/bare_http.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REF   "OpaqueRef:01234567-89ab-cdef-0123-456789abcdef"
#define PARAM "<param><value><string>" REF "</string></value></param>"

const char bare_hello_body[] = "<?xml version=\"1.0\"?><methodCall><methodName>VM.get_power_state"
			       "</methodName><params>" PARAM PARAM "</params></methodCall>";

static const char answer[] =
	"<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status"
	"</name><value>Success</value></member><member><name>Value</name><value>Halted</value>"
	"</member></struct></value></param></params></methodResponse>";

static void reply(struct evhttp_request *request, void *arg)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evhttp_request_get_output_buffer(request);

	evhttp_add_header(headers, "content-type", "text/xml");
	evhttp_add_header(headers, "cache-control", "no-cache, no-store");
	evhttp_add_header(headers, "access-control-allow-origin", "*");
	evhttp_add_header(headers, "access-control-allow-headers", "X-Requested-With");
	evbuffer_add(body, answer, sizeof(answer) - 1);
	evhttp_send_reply(request, 200, "OK", NULL);
}

static void serve(int fd)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = base ? evhttp_new(base) : NULL;

	bare_must(http && !evhttp_accept_socket(http, fd), "evhttp");
	evhttp_set_gencb(http, reply, NULL);
	event_base_dispatch(base);
}

int bare_evhttp_start(pid_t *pid)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	bare_must(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 128) &&
			!getsockname(fd, (struct sockaddr *)&at, &size),
		"a listening socket");
	*pid = fork();
	bare_must(*pid >= 0, "fork");
	if (!*pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
		_exit(1);
	}
	close(fd);
	return ntohs(at.sin_port);
}
