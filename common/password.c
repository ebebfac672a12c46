/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hashes of passwords (password.h).
 */
#include "common/password.h"

#include "common/mem.h"

#include <crypt.h>
#include <string.h>

char *password_hash(const char *password)
{
	char *salt = crypt_gensalt_ra(NULL, 0, NULL, 0);
	void *work = NULL;
	int size = 0;
	char *hash = salt ? crypt_ra(password, salt, &work, &size) : NULL;
	char *out = hash && *hash != '*' ? xstrdup(hash) : NULL;

	free(salt);
	free(work);
	return out;
}

/* In a time that does not tell how much of it fits. */
static bool are_same(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differences = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		differences |= (unsigned char)(a[i] ^ b[i]);
	return !differences;
}

bool password_is(const char *password, const char *hash)
{
	void *work = NULL;
	int size = 0;
	const char *made = crypt_ra(password, hash, &work, &size);
	bool is_same = made && *made != '*' && *hash && are_same(made, hash);

	free(work);
	return is_same;
}
