/*
 * What the kernel knows of processes and CPUs, and what starting a process costs.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <sys/types.h>

/* Bind this process and what it starts from now on to the first CPU it may use; or to all again. */
void machine_one_cpu(void);
void machine_all_cpus(void);

/* Raise the soft limit of descriptors to the hard one; returns it. */
unsigned long machine_raise_descriptors(void);

/* Proportional set size of a process, bytes. */
double machine_pss_bytes(pid_t pid);

/* Seconds that all threads of a process have run. */
double machine_cpu_s(pid_t pid);

/* The floor of command tasks: posix_spawn() of /bin/true and waitpid(), one by one; a second. */
double machine_spawn_rate(unsigned spawns);

#endif
