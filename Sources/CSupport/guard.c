#define _GNU_SOURCE
#include "CSupport.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { guard_failed = 125, cannot_run = 126, not_found = 127 };

static int failed(const char *what) {
    fprintf(stderr, "volery guard: %s: %s\n", what, strerror(errno));
    return guard_failed;
}

static int status_of(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// In the forked child: normal signals again, a death of its own should the guard be killed, then the command.
static void become(char *const *argv, pid_t guard) {
    struct sigaction normal = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &normal, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard) _exit(guard_failed);
    execvp(argv[0], argv);
    int code = errno == ENOENT ? not_found : cannot_run;
    fprintf(stderr, "volery guard: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(code);
}

// Sends SIGKILL to every direct child. A killed child's own children become ours (we are their subreaper), so the
// caller repeats this until there is none.
static void kill_children(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *list = fopen(path, "re");
    if (list == NULL) {
        // A kernel without this file: the process group is the best that is left. We block what we can; SIGKILL would
        // take the guard too, which is right here, since nothing else remains to be done.
        kill(0, SIGKILL);
        return;
    }
    int child;
    while (fscanf(list, "%d", &child) == 1) kill(child, SIGKILL);
    fclose(list);
}

static void kill_and_reap_all(pid_t child, int *child_status) {
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    for (;;) {
        kill_children();
        for (;;) {
            int status;
            pid_t ended = waitpid(-1, &status, WNOHANG);
            if (ended < 0 && errno == EINTR) continue;
            if (ended < 0) return;
            if (ended == 0) break;
            if (ended == child) *child_status = status_of(status);
        }
        nanosleep(&pause, NULL);
    }
}

// Reaps what has ended. Returns whether the child itself was among it.
static int reap(pid_t child, int *child_status) {
    int seen = 0;
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended < 0 && errno == EINTR) continue;
        if (ended <= 0) return seen;
        if (ended == child) {
            *child_status = status_of(status);
            seen = 1;
        }
    }
}

// Waits until the child ends, the parent dies or SIGUSR2 asks for the end.
static void watch(int parent, int signals, pid_t child, int *child_status) {
    struct pollfd watched[2] = {{.fd = parent, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return;
        }
        if (watched[0].revents) return;
        struct signalfd_siginfo signal;
        if (read(signals, &signal, sizeof signal) != sizeof signal) continue;
        switch (signal.ssi_signo) {
        case SIGCHLD:
            if (reap(child, child_status)) return;
            break;
        case SIGUSR2: return;
        default: kill(child, (int)signal.ssi_signo);
        }
    }
}

int volery_guard(char *const *argv, int parent_pid) {
    if (argv == NULL || argv[0] == NULL) {
        errno = EINVAL;
        return failed("no command");
    }
    // Nothing of the platform's may stay open in here or in the child: a leaked socket would keep a port busy.
    syscall(SYS_close_range, 3u, ~0u, 0u);
    int parent = (int)syscall(SYS_pidfd_open, parent_pid, 0);
    if (parent < 0) return failed("pidfd_open");
    if (getppid() != parent_pid) return guard_failed;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return failed("subreaper");

    sigset_t handled;
    sigemptyset(&handled);
    const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        // An inherited "ignore" would make the kernel reap for us (SIGCHLD), or hide the signal from signalfd.
        signal(numbers[index], SIG_DFL);
        sigaddset(&handled, numbers[index]);
    }
    if (sigprocmask(SIG_SETMASK, &handled, NULL) != 0) return failed("sigprocmask");
    int signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return failed("signalfd");
    fcntl(parent, F_SETFD, FD_CLOEXEC);

    pid_t guard = getpid();
    pid_t child = fork();
    if (child < 0) return failed("fork");
    if (child == 0) become(argv, guard);

    // The pipes belong to the child alone, so that their end is seen when the last process of the tree is gone.
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int stream = 0; nothing >= 0 && stream < 3; stream++) dup2(nothing, stream);

    int child_status = guard_failed;
    watch(parent, signals, child, &child_status);
    kill_and_reap_all(child, &child_status);
    return child_status;
}

#else

#include <errno.h>

int volery_guard(char *const *argv, int parent_pid) {
    (void)argv;
    (void)parent_pid;
    errno = ENOTSUP;
    return 125;
}

#endif
