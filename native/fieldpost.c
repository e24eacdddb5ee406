/*
 * What Node.js does not offer of Linux: ioctl, watching a file descriptor on the event loop, the state of the kernel's
 * clock, and systemd's notification socket. Plain Node-API, so that one binary per architecture serves every Node.js
 * from 20 on. Which structures go through it is known to TypeScript only.
 */
#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/* An Error as Node's own calls throw it: code "EBUSY", errno -16, the system call's name. */
static napi_value system_error(napi_env env, int number, const char *syscall)
{
	const char *name = uv_err_name(-number);
	napi_value code, message, error, value;

	napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code);
	napi_create_string_utf8(env, uv_strerror(-number), NAPI_AUTO_LENGTH, &message);
	napi_create_error(env, code, message, &error);
	napi_create_int32(env, -number, &value);
	napi_set_named_property(env, error, "errno", value);
	napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &value);
	napi_set_named_property(env, error, "syscall", value);
	return error;
}

static napi_value fail(napi_env env, int number, const char *syscall)
{
	napi_throw(env, system_error(env, number, syscall));
	return NULL;
}

static napi_value wrong_arguments(napi_env env, const char *expected)
{
	napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", expected);
	return NULL;
}

/* ioctl(fd, request, buffer): the kernel reads and writes the buffer; returns the call's result. */
static napi_value fp_ioctl(napi_env env, napi_callback_info info)
{
	napi_value argv[3], result;
	size_t argc = 3, length;
	int32_t fd, returned;
	uint32_t request;
	void *data;

	napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
	if (argc < 3 || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_get_value_uint32(env, argv[1], &request) != napi_ok ||
	    napi_get_buffer_info(env, argv[2], &data, &length) != napi_ok)
		return wrong_arguments(env, "expected (fd, request, buffer)");
	/* The request says how long its structure is: the kernel must not go beyond the buffer. */
	if (length < _IOC_SIZE(request))
		return wrong_arguments(env, "the buffer is shorter than the request's structure");
	returned = ioctl(fd, request, data);
	if (returned < 0)
		return fail(env, errno, "ioctl");
	napi_create_int32(env, returned, &result);
	return result;
}

struct watch {
	uv_poll_t poll; /* first, so that a handle's address is its watch's */
	napi_env env;
	napi_ref callback;
	napi_async_context context;
	napi_async_cleanup_hook_handle cleanup;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = (struct watch *)poll;
	napi_env env = watch->env;
	napi_value callback, receiver, error;
	napi_handle_scope scope;

	(void)events;
	napi_open_handle_scope(env, &scope);
	napi_get_reference_value(env, watch->callback, &callback);
	napi_get_global(env, &receiver);
	if (status < 0)
		error = system_error(env, -status, "poll");
	else
		napi_get_undefined(env, &error);
	if (napi_make_callback(env, watch->context, receiver, callback, 1, &error, NULL) == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
	napi_close_handle_scope(env, scope);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = (struct watch *)handle;

	napi_remove_async_cleanup_hook(watch->cleanup);
	free(watch);
}

static void stop_watch(struct watch *watch)
{
	if (uv_is_closing((uv_handle_t *)&watch->poll))
		return;
	napi_delete_reference(watch->env, watch->callback);
	napi_async_destroy(watch->env, watch->context);
	uv_close((uv_handle_t *)&watch->poll, on_closed);
}

/* The environment (the process, a worker thread) ends while a descriptor is still watched. */
static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data)
{
	(void)handle;
	stop_watch(data);
}

/*
 * watch(fd, callback): callback() whenever there is something to read, until unwatch(watch), which must come before the
 * descriptor is closed and be called once. callback(error) where the descriptor itself failed; it is not called again.
 */
static napi_value fp_watch(napi_env env, napi_callback_info info)
{
	napi_value argv[2], name, result;
	napi_valuetype type = napi_undefined;
	struct watch *watch;
	uv_loop_t *loop;
	size_t argc = 2;
	int32_t fd;
	int failed;

	napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
	if (argc < 2 || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_typeof(env, argv[1], &type) != napi_ok || type != napi_function)
		return wrong_arguments(env, "expected (fd, callback)");
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return fail(env, ENOMEM, "watch");
	napi_get_uv_event_loop(env, &loop);
	failed = uv_poll_init(loop, &watch->poll, fd);
	if (failed) {
		free(watch);
		return fail(env, -failed, "watch");
	}
	watch->env = env;
	napi_create_reference(env, argv[1], 1, &watch->callback);
	napi_create_string_utf8(env, "fieldpost.watch", NAPI_AUTO_LENGTH, &name);
	napi_async_init(env, NULL, name, &watch->context);
	napi_add_async_cleanup_hook(env, on_cleanup, watch, &watch->cleanup);
	failed = uv_poll_start(&watch->poll, UV_READABLE, on_ready);
	if (failed) {
		stop_watch(watch);
		return fail(env, -failed, "watch");
	}
	napi_create_external(env, watch, NULL, NULL, &result);
	return result;
}

static napi_value fp_unwatch(napi_env env, napi_callback_info info)
{
	size_t argc = 1;
	napi_value watch;
	void *data;

	napi_get_cb_info(env, info, &argc, &watch, NULL, NULL);
	if (argc < 1 || napi_get_value_external(env, watch, &data) != napi_ok)
		return wrong_arguments(env, "expected (watch)");
	stop_watch(data);
	return NULL;
}

/* adjtimex(): reads the state of the kernel's clock (adjtimex(2)) and sets nothing. */
static napi_value fp_adjtimex(napi_env env, napi_callback_info info)
{
	struct timex timex = { .modes = 0 };
	int state = adjtimex(&timex);
	napi_value result, value;

	(void)info;
	if (state < 0)
		return fail(env, errno, "adjtimex");
	napi_create_object(env, &result);
	napi_create_int32(env, state, &value);
	napi_set_named_property(env, result, "state", value);
	napi_create_int32(env, timex.status, &value);
	napi_set_named_property(env, result, "status", value);
	napi_create_int64(env, timex.maxerror, &value);
	napi_set_named_property(env, result, "maxErrorUs", value);
	return result;
}

/* sdNotify(text): one datagram to $NOTIFY_SOCKET (sd_notify(3)); false where there is no such socket. */
static napi_value fp_sd_notify(napi_env env, napi_callback_info info)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t argc = 1, length, path_length;
	char text[4096];
	napi_value argument, result;
	int fd, failed = 0;

	napi_get_cb_info(env, info, &argc, &argument, NULL, NULL);
	if (argc < 1 || napi_get_value_string_utf8(env, argument, text, sizeof(text), &length) != napi_ok)
		return wrong_arguments(env, "expected (text)");
	napi_get_boolean(env, path != NULL, &result);
	if (!path)
		return result;
	path_length = strlen(path);
	if (path_length < 2 || path_length > sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return fail(env, EINVAL, "sendto");
	memcpy(address.sun_path, path, path_length);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* a name in the abstract name space, with no zero byte at its end */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(env, errno, "socket");
	/* Never waits: a manager that does not read must not hold up the node. */
	if (sendto(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		   offsetof(struct sockaddr_un, sun_path) + path_length) < 0)
		failed = errno;
	close(fd);
	return failed ? fail(env, failed, "sendto") : result;
}

NAPI_MODULE_INIT()
{
	const napi_property_descriptor functions[] = {
		{ "ioctl", NULL, fp_ioctl, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "watch", NULL, fp_watch, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "unwatch", NULL, fp_unwatch, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "adjtimex", NULL, fp_adjtimex, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "sdNotify", NULL, fp_sd_notify, NULL, NULL, NULL, napi_enumerable, NULL },
	};

	napi_define_properties(env, exports, sizeof(functions) / sizeof(*functions), functions);
	return exports;
}
