/* Valgrind writes to the mask that a program gives to sigsuspend(2). libdispatch's lies in memory that cannot be
 * written to, and valgrind 3.19 ends there. Preloaded, this gives it a copy. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    return (int)syscall(SYS_rt_sigsuspend, &copy, 8);
}
