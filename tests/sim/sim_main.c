#include "tests/sim/sim.h"

#include "proto/assert.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX     64
#define SEED_SECONDS 60 /* a seed that takes longer hangs */

static uint64_t running_seed;
static uint32_t running_steps;

static void say_seed(void)
{
    (void)fprintf(stderr, "replay with: %s --seed %llu --steps %u --trace\n",
        program_invocation_short_name, (unsigned long long)running_seed, running_steps);
}

_Noreturn void ganger_assert_failed(const char *expr, const char *file, int line)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "FAILED seed %llu: core assertion %s at %s:%d\n",
        (unsigned long long)running_seed, expr, file, line);
    say_seed();
    _exit(1);
}

_Noreturn void sim_fail_task(
    const struct sim *s, const char *file, int line, const char *expr, const struct mtask *t)
{
    struct core_task_info info;
    struct core_why why;

    (void)fflush(stdout);
    (void)fprintf(stderr, "FAILED seed %llu (%s) step %llu event %d at %llu us: %s (%s:%d)\n",
        (unsigned long long)s->seed, profile_name(s->profile), (unsigned long long)s->steps,
        s->event == NULL ? -1 : (int)s->event->type, (unsigned long long)s->now, expr, file, line);
    if (t != NULL) {
        (void)fprintf(stderr,
            "  task %llx last %s in hand %d child %u.%u #%u attempts %u cancel %d\n",
            (unsigned long long)t->id, core_task_state_name(t->last), t->in_hand, t->child, t->gen,
            t->seq, t->attempts, t->cancel);
        if (core_why(s->core, t->id, &why) == 0)
            (void)fprintf(stderr, "  why: %d, workers %u ready %u busy\n", why.reason,
                why.workers_ready, why.workers_busy);
        if (core_slot_info(s->core, t->slot, &info) == 0)
            (void)fprintf(stderr,
                "  core: %llx %s child %u.%u #%u attempts %u crashes %u code %d\n",
                (unsigned long long)info.id, core_task_state_name(info.state), info.child, info.gen,
                info.seq, info.attempts, info.crashes, info.code);
    }
    say_seed();
    _exit(1);
}

_Noreturn void sim_fail(const struct sim *s, const char *file, int line, const char *expr)
{
    sim_fail_task(s, file, line, expr, NULL);
}

void sim_trace(const struct sim *s, const char *format, ...)
{
    va_list args;

    if (!s->options->trace)
        return;
    (void)printf("%6llu %12llu ", (unsigned long long)s->steps, (unsigned long long)s->now);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

/* A crash, or a seed that does not end. The process ends, so printing is worth its risk. */
/* NOLINTBEGIN(bugprone-signal-handler) */
static void on_signal(int number)
{
    (void)fprintf(stderr, "FAILED seed %llu: %s\n", (unsigned long long)running_seed,
        number == SIGALRM ? "no end in time" : strsignal(number));
    say_seed();
    _exit(1);
}
/* NOLINTEND(bugprone-signal-handler) */

static void run_seeds(
    const struct options *o, struct coverage *coverage, uint64_t first, uint32_t by)
{
    (void)signal(SIGALRM, on_signal);
    (void)signal(SIGFPE, on_signal);
    (void)signal(SIGSEGV, on_signal);
    running_steps = o->steps;
    for (uint64_t seed = first; seed <= o->seed_last; seed += by) {
        running_seed = seed;
        (void)alarm(SEED_SECONDS);
        sim_seed(o, coverage, seed);
    }
    (void)alarm(0);
}

static void coverage_add(struct coverage *sum, const struct coverage *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;

    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

/* One process for each job; all share the memory of what was covered. */
static int run_jobs(const struct options *o, struct coverage *shared)
{
    int status, failed = 0;

    for (uint32_t i = 0; i < o->jobs; i++) {
        pid_t pid = fork();

        if (pid < 0)
            return 1;
        if (pid == 0) {
            run_seeds(o, &shared[i], o->seed_first + i, o->jobs);
            (void)fflush(stdout);
            _exit(0);
        }
    }
    for (uint32_t i = 0; i < o->jobs; i++) {
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            failed = 1;
    }
    return failed;
}

static int usage(void)
{
    (void)fputs("usage: sim_core|sim_parts [--seed N | --seeds A..B] [--steps M] [--jobs N]\n"
                "                [--profile NAME] [--check-every K] [--coverage] [--trace]\n"
                "profiles: mixed fast needs deaths crash nested; without one the seed chooses\n"
                "--coverage: it is an error when a legal state move never occurred\n",
        stderr);
    return 2;
}

static int options_read(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end;

        if (strcmp(argv[i], "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(argv[i], "--coverage") == 0) {
            o->coverage = true;
            continue;
        }
        if (value == NULL)
            return usage();
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0) {
            o->seed_first = o->seed_last = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--seeds") == 0) {
            o->seed_first = strtoull(value, &end, 10);
            if (strncmp(end, "..", 2) != 0)
                return usage();
            o->seed_last = strtoull(end + 2, NULL, 10);
        } else if (strcmp(argv[i - 1], "--steps") == 0) {
            o->steps = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--jobs") == 0) {
            o->jobs = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--check-every") == 0) {
            o->check_every = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--profile") == 0) {
            o->profile = profile_find(value);
            if (o->profile < 0)
                return usage();
        } else {
            return usage();
        }
    }
    return o->jobs == 0 || o->jobs > JOBS_MAX ? usage() : 0;
}

static int report(const struct options *o, const struct coverage *sum)
{
    uint32_t missing;

    (void)printf("seeds %llu steps %llu hands %llu handed ahead %llu retries %llu crashes %llu\n",
        (unsigned long long)sum->seeds, (unsigned long long)sum->steps,
        (unsigned long long)sum->hands, (unsigned long long)sum->ahead,
        (unsigned long long)sum->retries, (unsigned long long)sum->crashes);
    if (!o->coverage)
        return 0;
    missing = moves_report(sum, stdout);
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (sum->events[i] == 0)
            (void)printf("event %d never occurred\n", i);
    }
    for (int i = 0; i < EFFECT_TYPES; i++) {
        if (sum->effects[i] == 0)
            (void)printf("effect %d never occurred\n", i);
    }
    for (int i = 0; i <= WHY_DRAINING; i++) {
        if (sum->why[i] == 0)
            (void)printf("reason %d never occurred\n", i);
    }
    return missing > 0;
}

int main(int argc, char **argv)
{
    struct options o = {
        .seed_first = 1, .seed_last = 100, .steps = 2000, .jobs = 1, .check_every = 1, .profile = -1
    };
    struct coverage *shared, sum = { 0 };

    if (options_read(argc, argv, &o) != 0)
        return 2;
    shared = mmap(
        NULL, o.jobs * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    if (run_jobs(&o, shared) != 0)
        return 1;
    for (uint32_t i = 0; i < o.jobs; i++)
        coverage_add(&sum, &shared[i]);
    return report(&o, &sum);
}
