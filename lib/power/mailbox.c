/* Questions to the firmware of a Raspberry Pi, as vcgencmd asks them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "power/source.h"

#define GET_GENCMD_RESULT 0x00030080u
#define PROPERTY	  _IOWR(100, 0, char *)
#define FAILED		  0x80000001u /* in word 1: the firmware could not read the request */

/*
 * Words: 0 bytes in all, 1 zero for a request, 2 the tag, 3 bytes for the text, 4 zero, 5 the
 * command's error on return, 6... the command, on return the reply, and a zero that ends the tags.
 */
bool et_mailbox_pack(uint32_t p[ET_MAILBOX_WORDS], const char *command)
{
	size_t n = strlen(command);

	if (n >= ET_MAILBOX_TEXT - 1)
		return false;
	memset(p, 0, ET_MAILBOX_WORDS * sizeof(*p));
	p[0] = ET_MAILBOX_WORDS * sizeof(*p);
	p[2] = GET_GENCMD_RESULT;
	p[3] = ET_MAILBOX_TEXT;
	memcpy(p + 6, command, n + 1);
	return true;
}

bool et_mailbox_unpack(const uint32_t p[ET_MAILBOX_WORDS], char *reply, size_t n)
{
	const char *text = (const char *)(p + 6);
	size_t len = strnlen(text, ET_MAILBOX_TEXT);

	if (p[1] == FAILED || p[5] != 0 || len == 0 || len >= n)
		return false;
	memcpy(reply, text, len);
	reply[len] = 0;
	return true;
}

static int open_one(struct et_mailbox *m, const char *root, const char *name, struct et_err *err)
{
	struct stat st;

	m->fd = -1;
	if (snprintf(m->path, sizeof(m->path), "%s/dev/%s", root, name) >= (int)sizeof(m->path) ||
	    stat(m->path, &st) || (!S_ISCHR(st.st_mode) && !S_ISDIR(st.st_mode)))
		return et_fail(err, ET_ENOINPUT, "there is no /dev/vcio_gencmd and no /dev/vcio");
	if (S_ISDIR(st.st_mode))
		return ET_OK;
	m->fd = open(m->path, O_RDONLY | O_CLOEXEC);
	if (m->fd >= 0)
		return ET_OK;
	return et_fail(err, ET_EIO, "%s: %s%s", m->path, strerror(errno),
		       errno == EACCES ? "; members of the group video may open it" : "");
}

int et_mailbox_open(struct et_mailbox *m, const char *root, struct et_err *err)
{
	int status = open_one(m, root, "vcio_gencmd", err);

	/* The newer device is for fewer users; the older one may still be open to all of video. */
	return status ? open_one(m, root, "vcio", err) : ET_OK;
}

bool et_mailbox_ask(struct et_mailbox *m, const char *command, char *reply, size_t n)
{
	uint32_t p[ET_MAILBOX_WORDS];

	if (m->fd < 0) {
		char path[ET_SYS_PATH + 64];
		snprintf(path, sizeof(path), "%s/%s", m->path, command);
		return et_sys_text(reply, n, path);
	}
	return et_mailbox_pack(p, command) && ioctl(m->fd, PROPERTY, p) >= 0 &&
	       et_mailbox_unpack(p, reply, n);
}

void et_mailbox_close(struct et_mailbox *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}
