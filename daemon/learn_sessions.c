// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_sessions.c - the file `sessions` in the state directory: who is logged in, so that a permit
 * lives on with its session when the daemon starts again.
 *
 * A head, and a block for the learner (no name) and for the reader of each source (its key).  It is
 * collected at the same moment as the sources' places and written before them: of what lies
 * between, lines are rather read twice than not at all.  After a reboot only the knowledge counts
 * which formats log the end of sessions.  A file that cannot be used is put aside, loudly, and the
 * sessions that stood then keep no permit alive.  Called by learn.c and learn_places.c on the main
 * thread.
 */
#include "learn.h"

#include <string.h>

#define FILE_NAME  "sessions"
#define FILE_MAGIC "MRSESSN1" /* the last character is the version */
#define FILE_MAX   (1u << 30) /* bytes; a session takes about 150 */

struct file_head {
	char magic[8];
	char boot_id[MR_BOOT_ID];
	uint64_t len, sum; /* of what follows */
};
struct block {
	uint64_t name, data; /* bytes of each; they follow */
};

/* FNV-1a (Fowler, Noll, Vo): told from a file that was cut off or mixed up, not from a forged one.
 */
static uint64_t sum_of(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3u;
	return h;
}

/* The block's head is filled in behind its data. */
static int begin_block(FILE *f, const char *name, long *at)
{
	struct block b = { .name = strlen(name) };

	*at = ftell(f);
	fwrite(&b, sizeof(b), 1, f);
	fwrite(name, 1, b.name, f);
	return *at < 0 ? -EIO : 0;
}

static int end_block(FILE *f, const char *name, long at)
{
	struct block b = { .name = strlen(name) };
	long end = ftell(f);

	b.data = (uint64_t)(end - at) - sizeof(b) - b.name;
	if (end < 0 || fseek(f, at, SEEK_SET) < 0)
		return -EIO;
	fwrite(&b, sizeof(b), 1, f);
	return fseek(f, end, SEEK_SET) < 0 || ferror(f) ? -EIO : 0;
}

static int collect(const struct mr_learn *l, FILE *f)
{
	struct file_head head = { .magic = "" };
	long at;
	int r;

	fwrite(&head, sizeof(head), 1, f);
	r = begin_block(f, "", &at);
	if (r == 0)
		r = mr_learner_save(l->learner, f);
	if (r == 0)
		r = end_block(f, "", at);
	for (size_t i = 0; i < l->feeds && r == 0; i++) {
		const struct mr_learn_feed *s = l->feed[i];

		r = begin_block(f, s->key, &at);
		if (r == 0)
			r = mr_reader_save(s->reader, f);
		if (r == 0)
			r = end_block(f, s->key, at);
	}
	return r;
}

int mr_learn_sessions_collect(const struct mr_learn *l, struct mr_learn_sessions *out)
{
	char *data = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&data, &n);
	int r = f ? collect(l, f) : -ENOMEM;

	if (f && fclose(f) != 0)
		r = -ENOMEM;
	if (r < 0) {
		free(data);
		return r;
	}
	*out = (struct mr_learn_sessions){ .data = data, .n = n };
	return 0;
}

int mr_learn_sessions_write(const struct mr_learn_sessions *s, const char *dir)
{
	_free_ char *path = mr_state_path(dir, FILE_NAME);
	struct file_head head = { .len = s->n - sizeof(head) };

	if (!path)
		return -ENOMEM;
	memcpy(head.magic, FILE_MAGIC, sizeof(head.magic));
	mr_state_boot_id(head.boot_id);
	head.sum = sum_of(s->data + sizeof(head), head.len);
	memcpy(s->data, &head, sizeof(head));
	return mr_write_file(path, s->data, s->n, 0600);
}

/* What is wrong with the file; NULL: nothing. */
static const char *unusable(const struct mr_learn_sessions *s, struct file_head *h)
{
	const size_t name = sizeof(h->magic) - 1;

	if (s->n < sizeof(*h) || memcmp(s->data, FILE_MAGIC, name) != 0)
		return "not a file of sessions";
	memcpy(h, s->data, sizeof(*h));
	if (h->magic[name] != FILE_MAGIC[name])
		return h->magic[name] > FILE_MAGIC[name] ? "written by a newer mailreeve"
							 : "of a version that is not known";
	if (h->len != s->n - sizeof(*h))
		return "cut off";
	return h->sum != sum_of(s->data + sizeof(*h), h->len) ? "damaged" : NULL;
}

/* The block of that name; false: there is none. */
static bool find(const struct mr_learn_sessions *s, const char *name, struct mr_str *data)
{
	const char *p, *end;
	struct block b;

	if (!s->n)
		return false;
	p = s->data + sizeof(struct file_head);
	end = s->data + s->n;
	for (; (size_t)(end - p) >= sizeof(b); p += b.name + b.data) {
		memcpy(&b, p, sizeof(b));
		p += sizeof(b);
		if (b.name > (size_t)(end - p) || b.data > (size_t)(end - p) - b.name)
			return false;
		if (b.name == strlen(name) && memcmp(p, name, b.name) == 0) {
			*data = (struct mr_str){ p + b.name, b.data };
			return true;
		}
	}
	return false;
}

void mr_learn_sessions_load(struct mr_learn *l)
{
	const char *dir = l->m->options.state_dir, *why;
	_free_ char *path = mr_state_path(dir, FILE_NAME);
	struct mr_learn_sessions *s = &l->restored;
	char boot[MR_BOOT_ID];
	struct file_head head;
	struct mr_str block;
	int r = path ? mr_read_file(path, FILE_MAX, &s->data, &s->n) : -ENOMEM;

	if (r == -ENOENT)
		return;
	why = r < 0 ? strerror(-r) : unusable(s, &head);
	mr_state_boot_id(boot);
	l->same_boot = !why && memcmp(boot, head.boot_id, sizeof(boot)) == 0;
	if (!why && find(s, "", &block) && mr_learner_restore(l->learner, block, l->same_boot) < 0)
		why = "damaged";
	if (!why)
		return;
	mr_state_put_aside(dir, FILE_NAME);
	mr_log_with(&l->m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
		    "%s: %s; it is put aside as " FILE_NAME ".damaged: permits of sessions that "
		    "stand now run out as if they had ended",
		    path ? path : FILE_NAME, why);
	mr_learn_sessions_loaded(l);
}

void mr_learn_sessions_of(struct mr_learn *l, struct mr_learn_feed *s)
{
	struct mr_str block;

	/* a block that does not fit has been told as a whole file that does not */
	if (l->same_boot && find(&l->restored, s->key, &block))
		(void)mr_reader_restore(s->reader, block);
}

void mr_learn_sessions_loaded(struct mr_learn *l)
{
	free(l->restored.data);
	l->restored = (struct mr_learn_sessions){ 0 };
}
