/*
 * A module for tests: functions that behave, and functions that do not. Reused by the system
 * tests. What INIT is told decides how it starts: "fail", "crash", "exit", "hang", or anything
 * else (a number N: function `initialized` then returns it); "thread" makes preload start a thread.
 */
#include "client/include/ganger/worker.h"
#include "proto/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef TESTMOD_ABI
#define TESTMOD_ABI GANGER_MODULE_ABI
#endif

static int64_t init_number;
static int init_count, preload_count;
static volatile int sink;
static volatile bool never; /* the compiler must not know */
static char *volatile leaked;

/* ---- arguments and results ---- */

static struct cursor args_of(struct ganger_task *task)
{
    size_t bytes;
    const void *args = ganger_task_args(task, &bytes);

    return cursor_make(args, bytes);
}

static int64_t int_arg(struct ganger_task *task)
{
    struct cursor c = args_of(task);

    return read_int(&c);
}

static const char *text_arg(struct ganger_task *task, char *text, size_t text_bytes)
{
    struct cursor c = args_of(task);
    struct slice s = read_str(&c, text_bytes - 1);

    if (s.len != 0)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return text;
}

static int give(struct ganger_task *task, struct out *o)
{
    int rc = ganger_task_return(task, o->data, o->len);

    out_done(o);
    return rc;
}

static int give_int(struct ganger_task *task, int64_t value)
{
    struct out o = { 0 };

    write_int(&o, value);
    return give(task, &o);
}

static int give_text(struct ganger_task *task, const char *text)
{
    struct out o = { 0 };

    write_str(&o, text, strlen(text));
    return give(task, &o);
}

static void pause_ms(long ms)
{
    (void)nanosleep(
        &(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- functions that behave ---- */

static int run_echo(struct ganger_task *task)
{
    size_t bytes;
    const void *args = ganger_task_args(task, &bytes);

    return ganger_task_return(task, args, bytes);
}

static int run_add(struct ganger_task *task)
{
    struct cursor c = args_of(task);
    uint32_t count = read_array(&c, UINT32_MAX);
    int64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += read_int(&c);
    if (c.error != 0)
        return ganger_task_fail(task, GANGER_EINVAL, "add wants an array of integers");
    return give_int(task, sum);
}

static int run_nothing(struct ganger_task *task)
{
    (void)task;
    return 0;
}

/* [id, attempt, fence, limit] */
static int run_about(struct ganger_task *task)
{
    struct out o = { 0 };

    write_array(&o, 5);
    write_uint(&o, ganger_task_id(task));
    write_uint(&o, ganger_task_attempt(task));
    write_uint(&o, ganger_task_fence(task));
    write_uint(&o, ganger_task_limit_ms(task));
    write_str(&o, ganger_task_function(task), strlen(ganger_task_function(task)));
    return give(task, &o);
}

static int run_pid(struct ganger_task *task)
{
    return give_int(task, getpid());
}

static int run_initialized(struct ganger_task *task)
{
    return give_int(task, init_number * 100 + init_count * 10 + preload_count);
}

static int run_getenv(struct ganger_task *task)
{
    char name[256];
    const char *value = getenv(text_arg(task, name, sizeof name));

    return give_text(task, value != NULL ? value : "(unset)");
}

static int run_directory(struct ganger_task *task)
{
    char path[4096];

    return give_text(task, getcwd(path, sizeof path) != NULL ? path : "?");
}

static int run_limits(struct ganger_task *task)
{
    struct rlimit files;
    struct out o = { 0 };

    (void)getrlimit(RLIMIT_NOFILE, &files);
    write_array(&o, 2);
    write_uint(&o, files.rlim_cur);
    write_int(&o, getpriority(PRIO_PROCESS, 0));
    return give(task, &o);
}

/* The open descriptors as "0 1 2 3 ". */
static int run_descriptors(struct ganger_task *task)
{
    char text[1000] = "";
    size_t at = 0;

    for (int fd = 0; fd < 1000 && at < sizeof text - 10; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "%d ", fd);
    }
    return give_text(task, text);
}

/* Add a byte to the file: counts runs across processes. */
static int run_touch(struct ganger_task *task)
{
    char path[4096];
    int fd = open(
        text_arg(task, path, sizeof path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, "x", 1) != 1)
        return ganger_task_fail(task, GANGER_EIO, "%s: %s", path, strerror(errno));
    (void)close(fd);
    return 0;
}

static int run_sleep_ms(struct ganger_task *task)
{
    pause_ms((long)int_arg(task));
    return 0;
}

/* Sleep if it is asked for more than nothing, which takes no time then. */
static int run_pause_ms(struct ganger_task *task)
{
    long ms = (long)int_arg(task);

    if (ms > 0)
        pause_ms(ms);
    return 0;
}

/* Sleep; returns whether a signal cut it short. */
static int run_nap_ms(struct ganger_task *task)
{
    long ms = (long)int_arg(task);
    struct timespec nap = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    return give_int(task, nanosleep(&nap, NULL) != 0);
}

/* Read the FIFO to its end; returns whether it was asked to stop meanwhile. */
static int run_wait(struct ganger_task *task)
{
    char path[4096], byte;
    int fd;
    ssize_t n;

    (void)text_arg(task, path, sizeof path);
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    do {
        n = read(fd, &byte, 1);
    } while (n > 0 || (n < 0 && errno == EINTR));
    (void)close(fd);
    return give_int(task, ganger_task_cancelled(task));
}

/* As `wait`, but ends at once when it is asked to stop. */
static int run_until_cancelled(struct ganger_task *task)
{
    char path[4096], byte;
    int fd = open(text_arg(task, path, sizeof path), O_RDONLY | O_CLOEXEC);

    while (!ganger_task_cancelled(task)) {
        if (read(fd, &byte, 1) == 0)
            break;
    }
    (void)close(fd);
    return give_text(task, ganger_task_cancelled(task) ? "stopped" : "released");
}

static int run_progress(struct ganger_task *task)
{
    int64_t steps = int_arg(task);

    for (int64_t i = 1; i <= steps; i++)
        ganger_progress(task, (uint64_t)i, (uint64_t)steps, "step");
    return 0;
}

static int run_big(struct ganger_task *task)
{
    size_t bytes = (size_t)int_arg(task);
    struct out o = { 0 };
    char *data = calloc(1, bytes + 1);

    if (data == NULL)
        return ganger_task_fail(task, GANGER_ENOMEM, "no memory");
    write_bin(&o, data, bytes);
    free(data);
    return give(task, &o);
}

static int run_print(struct ganger_task *task)
{
    char text[4096];

    (void)printf("%s\n", text_arg(task, text, sizeof text));
    return 0;
}

/* ---- functions that do not ---- */

static int run_fail(struct ganger_task *task)
{
    char text[4096];

    ganger_task_backtrace(task, "at run_fail\nat main");
    return ganger_task_fail(task, GANGER_EFAILED, "%s", text_arg(task, text, sizeof text));
}

static int run_number(struct ganger_task *task)
{
    return (int)int_arg(task);
}

/* Gives a value and fails nevertheless. */
static int run_both(struct ganger_task *task)
{
    (void)give_int(task, 5);
    return ganger_task_fail(task, GANGER_ERANGE, "five is not enough");
}

static int run_bad(struct ganger_task *task)
{
    return ganger_task_return(task, "\xc1\xc1", 2);
}

__attribute__((no_sanitize("undefined", "address"))) static int run_crash(struct ganger_task *task)
{
    int *volatile nowhere = NULL;

    (void)task;
    (void)fprintf(stderr, "about to crash\n");
    sink = *nowhere;
    return 0;
}

static int run_abort(struct ganger_task *task)
{
    (void)task;
    abort();
}

static int run_exit(struct ganger_task *task)
{
    int64_t status = int_arg(task);

    (void)fprintf(stderr, "leaving\n");
    exit((int)status);
}

__attribute__((no_sanitize("undefined", "address"))) static int deeper(const volatile char *above)
{
    volatile char here[4096];

    here[0] = above[0];
    if (never)
        return 0;
    here[4095] = (char)(deeper(here) + above[0]);
    return here[0] + here[4095];
}

static int run_overflow(struct ganger_task *task)
{
    volatile char start[1] = { 0 };

    (void)task;
    return deeper(start);
}

static void pid_write(const char *path)
{
    char line[32];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int length = snprintf(line, sizeof line, "%ld\n", (long)getpid());

    if (write(fd, line, (size_t)length) != length)
        _exit(1);
    (void)close(fd);
}

/* Leaves a process of another session, whose parent is gone; its pid is in the file. */
static int run_detach(struct ganger_task *task)
{
    char path[4096];
    int ends[2];
    char byte;

    (void)text_arg(task, path, sizeof path);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    if (fork() == 0) {
        (void)setsid();
        if (fork() != 0)
            _exit(0);
        (void)signal(SIGTERM, SIG_IGN);
        pid_write(path);
        (void)close(ends[0]);
        (void)close(ends[1]);
        for (;;)
            (void)pause();
    }
    (void)close(ends[1]);
    /* Its end: the grandchild has closed it, so its pid is written. */
    while (read(ends[0], &byte, 1) > 0) {
    }
    (void)close(ends[0]);
    return 0;
}

/* As `detach`, and then never ends. */
static int run_detach_forever(struct ganger_task *task)
{
    (void)run_detach(task);
    while (!never)
        (void)pause();
    return 0;
}

/* As `detach`, and then dies. */
static int run_detach_crash(struct ganger_task *task)
{
    (void)run_detach(task);
    return run_crash(task);
}

/* Forks, and both return; the other one first. */
static int run_twice(struct ganger_task *task)
{
    pid_t other = fork();

    if (other == 0)
        return give_int(task, 0);
    (void)waitpid(other, NULL, 0);
    return give_int(task, 1);
}

/* Forks a process that ends by exit(), as it should not. */
static int run_fork_exit(struct ganger_task *task)
{
    pid_t other = fork();

    (void)task;
    if (other == 0)
        exit(0);
    (void)waitpid(other, NULL, 0);
    return 0;
}

static int run_flood(struct ganger_task *task)
{
    int64_t bytes = int_arg(task);
    char line[1024];

    memset(line, 'f', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int64_t i = 0; i < bytes; i += (int64_t)sizeof line) {
        if (write(2, line, sizeof line) < 0)
            return ganger_task_fail(task, GANGER_EIO, "%s", strerror(errno));
    }
    (void)fprintf(stderr, "end of the flood\n");
    return 0;
}

static int run_leak(struct ganger_task *task)
{
    size_t bytes = (size_t)int_arg(task);

    leaked = malloc(bytes);
    if (leaked == NULL)
        return ganger_task_fail(task, GANGER_ENOMEM, "no memory");
    memset(leaked, 1, bytes);
    return 0;
}

static int run_forever(struct ganger_task *task)
{
    (void)task;
    while (!never)
        (void)pause();
    return 0;
}

static int run_spin(struct ganger_task *task)
{
    (void)task;
    while (!never)
        sink++;
    return 0;
}

/* ---- the table ---- */

static const struct ganger_function functions[] = {
    { "echo", run_echo },
    { "add", run_add },
    { "nothing", run_nothing },
    { "about", run_about },
    { "pid", run_pid },
    { "initialized", run_initialized },
    { "getenv", run_getenv },
    { "directory", run_directory },
    { "limits", run_limits },
    { "descriptors", run_descriptors },
    { "touch", run_touch },
    { "sleep_ms", run_sleep_ms },
    { "pause_ms", run_pause_ms },
    { "nap_ms", run_nap_ms },
    { "wait", run_wait },
    { "until_cancelled", run_until_cancelled },
    { "progress", run_progress },
    { "big", run_big },
    { "print", run_print },
    { "fail", run_fail },
    { "number", run_number },
    { "both", run_both },
    { "bad", run_bad },
    { "crash", run_crash },
    { "abort", run_abort },
    { "exit", run_exit },
    { "overflow", run_overflow },
    { "detach", run_detach },
    { "detach_forever", run_detach_forever },
    { "detach_crash", run_detach_crash },
    { "twice", run_twice },
    { "fork_exit", run_fork_exit },
    { "flood", run_flood },
    { "leak", run_leak },
    { "forever", run_forever },
    { "spin", run_spin },
    { NULL, NULL },
};

static void *thread_sleep(void *arg)
{
    for (;;)
        (void)pause();
    return arg;
}

static bool is_told(const void *args, size_t bytes, const char *word)
{
    struct cursor c = cursor_make(args, bytes);
    struct slice s = read_str(&c, 100);

    return c.error == 0 && s.len == strlen(word) && memcmp(s.data, word, s.len) == 0;
}

static int preload(const void *args, size_t args_bytes, char *err, size_t err_bytes)
{
    pthread_t thread;

    preload_count++;
    if (is_told(args, args_bytes, "preload_fail")) {
        (void)snprintf(err, err_bytes, "told to fail early");
        return 1;
    }
    if (is_told(args, args_bytes, "thread")) {
        (void)pthread_create(&thread, NULL, thread_sleep, NULL);
        (void)pthread_setname_np(thread, "sneaky");
    }
    return 0;
}

static int initialize(const void *args, size_t args_bytes, char *err, size_t err_bytes)
{
    struct cursor c = cursor_make(args, args_bytes);

    init_count++;
    if (is_told(args, args_bytes, "fail")) {
        (void)snprintf(err, err_bytes, "told to fail");
        return 1;
    }
    if (is_told(args, args_bytes, "crash")) {
        (void)fprintf(stderr, "initializer crashes\n");
        (void)raise(SIGSEGV);
    }
    if (is_told(args, args_bytes, "exit"))
        exit(9);
    while (is_told(args, args_bytes, "hang"))
        (void)pause();
    init_number = args_bytes == 0 ? 0 : read_int(&c);
    return 0;
}

static void finish(void)
{
    const char *path = getenv("TESTMOD_FINI");

    if (path != NULL)
        pid_write(path);
}

#ifdef TESTMOD_NO_TABLE
#define TABLE some_other_name
#else
#define TABLE ganger_module
#endif

GANGER_MODULE_EXPORT const struct ganger_module TABLE = { TESTMOD_ABI, "testmod", functions,
    preload, initialize, finish };
