/* A mock model server for measuring a gateway: epoll, one thread, HTTP/1.1 with keep-alive and pipelining.
 *
 *   mock PACE_MICROSECONDS PORT...
 *
 * POST with "stream":true   -> 64 events of 188 bytes in one write, usage when asked for, and the dialect's end;
 *                              with "paced" in the body: the events PACE apart;
 *                              with "silent-NUMBER" in the body: the first event, and then nothing until the client closes
 * any other POST            -> a JSON answer of 1,184 bytes
 * GET /counts               -> {"requests":[of each port],"closed":the number of the silent stream that closed last,
 *                              "closed_at":when it did, in nanoseconds of the monotonic clock}
 * GET /v1/models            -> a list of one model, "mock", which some routers ask for before they use an upstream
 * any other GET             -> 200, two bytes
 *
 * Paths that end in /messages are answered in Anthropic's dialect, others in OpenAI's.
 * Written for measuring: it trusts its client, and answers as fast as the kernel lets it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"

enum { INPUT = 64 * 1024, MAX_FD = 65536, MAX_PORTS = 8 };

struct connection {
    int fd;
    int port;            /* which of the ports it came by */
    int used;            /* bytes of input held */
    int left;            /* events that a stream still has to send; 0 when none is open */
    int silent;          /* the number that a silent stream was given */
    int wants_usage;
    const struct answers *answers;
    uint64_t due;        /* when the next event goes out, in nanoseconds */
    struct connection *next, *previous; /* in the list of open streams, soonest first */
    char input[INPUT];
};

static struct connection *by_fd[MAX_FD];
static struct connection streams = {.next = &streams, .previous = &streams};
static struct answers openai, anthropic;
static uint64_t pace; /* nanoseconds between two events */
static uint64_t requests[MAX_PORTS], closed_at;
static int closed;
static int ports;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void unlink_stream(struct connection *c) {
    if (!c->next) return;
    c->next->previous = c->previous;
    c->previous->next = c->next;
    c->next = c->previous = NULL;
}

static void schedule(struct connection *c, uint64_t due) {
    unlink_stream(c);
    c->due = due;
    struct connection *after = streams.previous; /* the pace is the same for all: the end is nearly always right */
    while (after != &streams && after->due > due) after = after->previous;
    c->next = after->next;
    c->previous = after;
    after->next->previous = c;
    after->next = c;
}

static void drop(struct connection *c) {
    if (c->silent) {
        closed = c->silent;
        closed_at = now();
    }
    unlink_stream(c);
    by_fd[c->fd] = NULL;
    close(c->fd);
    free(c);
}

/* The answers fit into the socket's buffer; a client that does not read them is not measured here. */
static int put(struct connection *c, const char *data, int length) {
    while (length > 0) {
        ssize_t n = send(c->fd, data, (size_t)length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) { usleep(100); continue; }
        if (n <= 0) return -1;
        data += n;
        length -= (int)n;
    }
    return 0;
}

static int finish(struct connection *c) {
    const struct answers *a = c->answers;
    char out[sizeof a->ending + 8];
    int n = c->wants_usage ? a->ending_with_usage_length : a->ending_length;
    memcpy(out, c->wants_usage ? a->ending_with_usage : a->ending, (size_t)n);
    memcpy(out + n, "0\r\n\r\n", 5);
    c->left = 0;
    unlink_stream(c);
    return put(c, out, n + 5);
}

static int step(struct connection *c) {
    if (put(c, c->answers->chunk, c->answers->chunk_length)) return -1;
    if (c->silent) { unlink_stream(c); return 0; }
    if (--c->left == 0) return finish(c);
    schedule(c, c->due + pace);
    return 0;
}

static int answer_get(struct connection *c) {
    char out[512], text[384] = "ok";
    int n = 2;
    if (!strncmp(c->input, "GET /v1/models ", 15)) {
        n = sprintf(text, "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\","
                          "\"owned_by\":\"mock\"}]}");
    } else if (!strncmp(c->input, "GET /counts ", 12)) {
        n = sprintf(text, "{\"requests\":[");
        for (int i = 0; i < ports; i++)
            n += sprintf(text + n, "%s%llu", i ? "," : "", (unsigned long long)requests[i]);
        n += sprintf(text + n, "],\"closed\":%d,\"closed_at\":%llu}", closed, (unsigned long long)closed_at);
    }
    n = sprintf(out, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", n, text);
    return put(c, out, n);
}

static int answer(struct connection *c, int head, int length) {
    const char *body = c->input + head;
    if (c->input[0] == 'G') return answer_get(c);
    requests[c->port]++;
    const char *line = memchr(c->input, '\r', (size_t)head);
    c->answers = memmem(c->input, (size_t)(line - c->input), "/messages ", 10) ? &anthropic : &openai;
    if (!memmem(body, (size_t)length, "\"stream\":true", 13) && !memmem(body, (size_t)length, "\"stream\": true", 14))
        return put(c, c->answers->json, c->answers->json_length);
    c->wants_usage = memmem(body, (size_t)length, "include_usage\":", 15) != NULL;
    const char *silent = memmem(body, (size_t)length, "silent-", 7);
    c->silent = silent ? atoi(silent + 7) : 0;
    if (put(c, stream_head, sizeof stream_head - 1)) return -1;
    if (put(c, c->answers->opening, c->answers->opening_length)) return -1;
    if (!c->silent && (!pace || !memmem(body, (size_t)length, "paced", 5)))
        return put(c, c->answers->burst, c->answers->burst_length) || finish(c) ? -1 : 0;
    c->left = CHUNKS;
    c->due = now();
    return step(c);
}

static int take(struct connection *c) {
    ssize_t n = recv(c->fd, c->input + c->used, (size_t)(INPUT - c->used), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    c->used += (int)n;
    while (c->left == 0) {
        char *end = memmem(c->input, (size_t)c->used, "\r\n\r\n", 4);
        if (!end) break;
        int head = (int)(end - c->input) + 4, body = 0;
        *end = 0;
        char *length = strcasestr(c->input, "\r\ncontent-length:");
        if (length) body = atoi(length + 17);
        *end = '\r';
        if (c->used < head + body) break;
        if (answer(c, head, body)) return -1;
        c->used -= head + body;
        memmove(c->input, c->input + head + body, (size_t)c->used);
    }
    return c->used < INPUT ? 0 : -1;
}

static void open_connections(int listener, int port, int poller) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = fd < MAX_FD ? calloc(1, sizeof *c) : NULL;
        if (!c) { close(fd); continue; }
        c->fd = fd;
        c->port = port;
        by_fd[fd] = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void step_due_streams(void) {
    uint64_t time = now();
    while (streams.next != &streams && streams.next->due <= time) {
        struct connection *c = streams.next;
        if (step(c)) drop(c);
    }
}

static int until_next_stream(void) {
    if (streams.next == &streams) return -1;
    uint64_t time = now();
    return streams.next->due <= time ? 0 : (int)((streams.next->due - time + 999999) / 1000000);
}

static int listen_on(int port, int poller) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return -1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    return epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e) ? -1 : listener;
}

int main(int count, char **arguments) {
    int poller = epoll_create1(EPOLL_CLOEXEC), listeners[MAX_PORTS];
    struct epoll_event ready[256];
    ports = count - 2;
    if (ports < 1 || ports > MAX_PORTS) { fprintf(stderr, "usage: mock PACE_MICROSECONDS PORT...\n"); return 64; }
    pace = strtoull(arguments[1], NULL, 10) * 1000;
    prepare_openai(&openai);
    prepare_anthropic(&anthropic);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < ports; i++)
        if ((listeners[i] = listen_on(atoi(arguments[i + 2]), poller)) < 0) { perror("mock"); return 1; }
    for (;;) {
        int n = epoll_wait(poller, ready, 256, until_next_stream());
        if (n < 0 && errno != EINTR) { perror("mock"); return 1; }
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd, port = 0;
            while (port < ports && listeners[port] != fd) port++;
            if (port < ports) open_connections(fd, port, poller);
            else if (by_fd[fd] && take(by_fd[fd])) drop(by_fd[fd]);
        }
        step_due_streams();
    }
}
