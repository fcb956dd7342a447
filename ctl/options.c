// SPDX-License-Identifier: BSD-2-Clause
/*
 * options.c - reads a command line by a table of options into a typed struct.
 *
 * Options may stand before and behind positional arguments; "--" ends them; "--name=value",
 * "--name value", "-x value" and "-xvalue" are the same.  A mistake is one message with the
 * nearest option, and MR_EXIT_USAGE.  Called by main.c only; keeps no state.
 */
#include "ctl.h"

#include <mailreeve/nearest.h>

#include <ctype.h>
#include <inttypes.h>

#define WORD_MAX 64 /* longest part of an unknown option that is compared, bytes */

int mr_options_time(const char *text, uint64_t *us)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = {
		{ "ms", 1000 },	     { "s", 1000000 },	   { "m", 60000000 },
		{ "h", 3600000000 }, { "d", 86400000000 }, { "w", 604800000000 },
	};
	uint64_t sum = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		uint64_t n = 0, scale = 0;
		size_t length;
		char *end;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		errno = 0;
		n = strtoull(text, &end, 10);
		if (errno)
			return -ERANGE;
		for (length = 0; isalpha((unsigned char)end[length]); length++)
			;
		for (size_t i = 0; i < MR_ARRAY_SIZE(units); i++)
			if (strlen(units[i].unit) == length &&
			    memcmp(units[i].unit, end, length) == 0)
				scale = units[i].us;
		if (!length && !*end)
			scale = 1000000;
		if (!scale)
			return -EINVAL;
		/* an int64 of microseconds is 292,000 years; the daemon adds it to a clock */
		if (n > INT64_MAX / scale || sum + n * scale > INT64_MAX)
			return -ERANGE;
		sum += n * scale;
		text = end + length;
	}
	*us = sum;
	return 0;
}

/* Is the value one of "a|b|c"?  An argument in capitals is a placeholder that takes anything. */
static bool options_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	if (!strchr(choices, '|'))
		return true;
	for (const char *c = choices; c; c = strchr(c, '|'), c = c ? c + 1 : NULL)
		if (strncmp(c, value, length) == 0 && (c[length] == '|' || !c[length]))
			return length > 0;
	return false;
}

/* As SMTP writes it, <user@host>, or without the brackets. */
static const char *options_mail(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '<' || value[n - 1] != '>')
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

static enum mr_exit options_list(const struct mr_option *o, char *value, struct mr_texts *list)
{
	char *save = NULL;

	for (char *t = strtok_r(value, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		if (list->n == MR_TEXTS_MAX)
			return mr_ctl_fail(MR_EXIT_USAGE, "--%s: more than %d values", o->name,
					   MR_TEXTS_MAX);
		list->v[list->n++] = t;
	}
	return MR_EXIT_DONE;
}

static enum mr_exit options_set(const struct mr_option *o, char *base, char *value)
{
	void *target = base + o->offset;
	uint64_t n;
	char *end;

	if (o->kind == MR_OPTION_FLAG || !value) {
		*(bool *)target = true;
		return MR_EXIT_DONE;
	}
	if (!*value && o->kind != MR_OPTION_MAIL)
		return mr_ctl_fail(MR_EXIT_USAGE, "--%s: the value is empty", o->name);
	if (o->argument && !options_choice(o->argument, value))
		return mr_ctl_fail(MR_EXIT_USAGE, "--%s: '%s' is not one of %s", o->name, value,
				   o->argument);
	switch (o->kind) {
	case MR_OPTION_FLAG:
		break;
	case MR_OPTION_TEXT:
		*(const char **)target = value;
		break;
	case MR_OPTION_MAIL:
		*(const char **)target = options_mail(value);
		break;
	case MR_OPTION_TIME:
		if (mr_options_time(value, &n) < 0 || n == 0)
			return mr_ctl_fail(MR_EXIT_USAGE,
					   "--%s: '%s' is not a time: write it like 90s, 5m, 1h30m "
					   "or 2d",
					   o->name, value);
		*(uint64_t *)target = n;
		break;
	case MR_OPTION_COUNT:
		errno = 0;
		n = strtoull(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || errno || n == 0 || n > UINT32_MAX)
			return mr_ctl_fail(MR_EXIT_USAGE,
					   "--%s: '%s' is not a number from 1 to %" PRIu32, o->name,
					   value, UINT32_MAX);
		*(uint32_t *)target = (uint32_t)n;
		break;
	case MR_OPTION_LIST:
		return options_list(o, value, target);
	}
	return MR_EXIT_DONE;
}

static const struct mr_option *options_find(const struct mr_option *list, const char *name,
					    size_t length)
{
	for (; list && list->name; list++) {
		if (length == 1 && list->letter == *name)
			return list;
		if (length > 1 && strlen(list->name) == length &&
		    memcmp(list->name, name, length) == 0)
			return list;
	}
	return NULL;
}

struct both {
	const struct mr_option *list[2];
};

static const char *options_candidate(size_t i, const void *userdata)
{
	const struct both *b = userdata;

	for (size_t l = 0; l < 2; l++)
		for (const struct mr_option *o = b->list[l]; o && o->name; o++)
			if (i-- == 0)
				return o->name;
	return NULL;
}

static enum mr_exit options_unknown(const struct mr_command *c, const struct mr_option *common,
				    const char *arg)
{
	struct both b = { { common, c ? c->options : NULL } };
	const char *near = NULL;
	char word[WORD_MAX + 1];

	if (arg[1] == '-') {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
		near = mr_nearest(word, options_candidate, &b);
	}
	if (near)
		return mr_ctl_fail(MR_EXIT_USAGE, "unknown option '%s': did you mean --%s?", arg,
				   near);
	return mr_ctl_fail(MR_EXIT_USAGE, "unknown option '%s': see mailreeve%s%s --help", arg,
			   c ? " " : "", c ? c->name : "");
}

/* One option at argv[i]; *used is how many arguments it took. */
static enum mr_exit options_one(const struct mr_command *c, const struct mr_option *common,
				void *common_struct, void *own_struct, char **argv, int i,
				int *used)
{
	const struct mr_option *o;
	char *arg = argv[i], *value = NULL, *name = arg + (arg[1] == '-' ? 2 : 1);
	size_t length = arg[1] == '-' ? strcspn(name, "=") : 1;
	char *base = own_struct;

	if (arg[1] == '-' && length == 1)
		return options_unknown(c, common, arg);
	o = options_find(c ? c->options : NULL, name, length);
	if (!o) {
		o = options_find(common, name, length);
		base = common_struct;
	}
	if (!o)
		return options_unknown(c, common, arg);
	*used = 1;
	if (arg[1] == '-' && name[length] == '=')
		value = name + length + 1;
	else if (arg[1] != '-' && name[1])
		value = name + 1;
	if (o->kind == MR_OPTION_FLAG && value)
		return mr_ctl_fail(MR_EXIT_USAGE, "--%s takes no value", o->name);
	if (o->kind != MR_OPTION_FLAG && !value) {
		value = argv[i + 1];
		if (!value)
			return mr_ctl_fail(MR_EXIT_USAGE, "--%s needs a value: %s", o->name,
					   o->argument);
		*used = 2;
	}
	return options_set(o, base, value);
}

/* Reads argv[0..argc); leaves the positional arguments at its front.  Without a command it stops at
 * the first of them: that is the command's name. */
enum mr_exit mr_options_parse(const struct mr_command *c, const struct mr_option *common,
			      void *common_struct, void *own_struct, int argc, char **argv,
			      int *n_args)
{
	int n = 0, used = 1;
	bool options = true;
	enum mr_exit status;

	for (int i = 0; i < argc; i += used) {
		used = 1;
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (!options || argv[i][0] != '-' || !argv[i][1]) {
			if (!c) {
				*n_args = i;
				return MR_EXIT_DONE;
			}
			argv[n++] = argv[i];
			continue;
		}
		status = options_one(c, common, common_struct, own_struct, argv, i, &used);
		if (status != MR_EXIT_DONE)
			return status;
	}
	if (c)
		argv[n] = NULL;
	*n_args = c ? n : argc;
	return MR_EXIT_DONE;
}

void mr_options_help(const struct mr_option *list, FILE *out)
{
	char left[64];

	for (; list && list->name; list++) {
		if (list->letter)
			snprintf(left, sizeof(left), "-%c, --%s%s%s", list->letter, list->name,
				 list->argument ? " " : "", list->argument ? list->argument : "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s", list->name,
				 list->argument ? " " : "", list->argument ? list->argument : "");
		fprintf(out, "  %-26s  %s\n", left, list->help);
	}
}
