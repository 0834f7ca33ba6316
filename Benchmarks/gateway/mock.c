/* A mock model server for measuring a gateway: epoll, one thread, HTTP/1.1 with keep-alive and pipelining.
 *
 *   mock PORT [PACE_MICROSECONDS]
 *
 * POST with "stream":true   -> 64 events of 188 bytes, PACE apart (0: in one write), usage when asked for, then [DONE];
 *                              with "silent" in the body: the first event, and then nothing until the client closes
 * any other POST            -> a JSON answer of 1,184 bytes
 * GET                       -> 200, two bytes
 *
 * Written for measuring: it trusts its client, and answers as fast as the kernel lets it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS = 64, CHUNK_BYTES = 188, JSON_BYTES = 1184, INPUT = 64 * 1024, MAX_FD = 65536 };

struct connection {
    int fd;
    int used;            /* bytes of input held */
    int left;            /* events that a stream still has to send; 0 when none is open */
    int silent;
    int wants_usage;
    uint64_t due;        /* when the next event goes out, in nanoseconds */
    struct connection *next, *previous; /* in the list of open streams, soonest first */
    char input[INPUT];
};

static struct connection *by_fd[MAX_FD];
static struct connection streams = {.next = &streams, .previous = &streams};
static uint64_t pace;
static char json_answer[JSON_BYTES + 256], chunk[CHUNK_BYTES + 16], burst[(CHUNK_BYTES + 16) * CHUNKS];
static int json_length, chunk_length, burst_length;
static const char stream_head[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
static const char usage_event[] =
    "data: {\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\",\"choices\":[],"
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":64,\"total_tokens\":164}}\n\n";
static const char done_event[] = "data: [DONE]\n\n";

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int framed(char *out, const char *event, int length) {
    int n = sprintf(out, "%x\r\n", length);
    memcpy(out + n, event, (size_t)length);
    memcpy(out + n + length, "\r\n", 2);
    return n + length + 2;
}

/* Fills `text` between `head` and `tail` with letters, so that the whole has exactly `size` bytes. */
static void padded(char *out, int size, const char *head, const char *tail) {
    int h = (int)strlen(head), t = (int)strlen(tail);
    memcpy(out, head, (size_t)h);
    memset(out + h, 'a', (size_t)(size - h - t));
    memcpy(out + size - t, tail, (size_t)t + 1);
}

static void prepare(void) {
    char body[JSON_BYTES + 1], event[CHUNK_BYTES + 1];
    padded(body, JSON_BYTES,
           "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\","
           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
           "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":250,"
           "\"total_tokens\":350}}");
    json_length = sprintf(json_answer,
                          "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                          JSON_BYTES, body);
    padded(event, CHUNK_BYTES,
           "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\","
           "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
           "\"},\"finish_reason\":null}]}\n\n");
    chunk_length = framed(chunk, event, CHUNK_BYTES);
    for (int i = 0; i < CHUNKS; i++, burst_length += chunk_length)
        memcpy(burst + burst_length, chunk, (size_t)chunk_length);
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
    char out[1024];
    int n = c->wants_usage ? framed(out, usage_event, sizeof usage_event - 1) : 0;
    n += framed(out + n, done_event, sizeof done_event - 1);
    memcpy(out + n, "0\r\n\r\n", 5);
    c->left = 0;
    unlink_stream(c);
    return put(c, out, n + 5);
}

static int step(struct connection *c) {
    if (put(c, chunk, chunk_length)) return -1;
    if (c->silent) { unlink_stream(c); return 0; }
    if (--c->left == 0) return finish(c);
    schedule(c, c->due + pace);
    return 0;
}

static int answer(struct connection *c, const char *method, const char *body, int length) {
    if (method[0] == 'G') {
        static const char ok[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        return put(c, ok, sizeof ok - 1);
    }
    if (!memmem(body, (size_t)length, "\"stream\":true", 13)) return put(c, json_answer, json_length);
    c->wants_usage = memmem(body, (size_t)length, "include_usage\":true", 19) != NULL;
    c->silent = memmem(body, (size_t)length, "silent", 6) != NULL;
    if (put(c, stream_head, sizeof stream_head - 1)) return -1;
    if (pace == 0 && !c->silent) return put(c, burst, burst_length) || finish(c) ? -1 : 0;
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
        if (answer(c, c->input, c->input + head, body)) return -1;
        c->used -= head + body;
        memmove(c->input, c->input + head + body, (size_t)c->used);
    }
    return c->used < INPUT ? 0 : -1;
}

static void open_connections(int listener, int poller) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = fd < MAX_FD ? calloc(1, sizeof *c) : NULL;
        if (!c) { close(fd); continue; }
        c->fd = fd;
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

int main(int count, char **arguments) {
    if (count < 2) { fprintf(stderr, "usage: mock PORT [PACE_MICROSECONDS]\n"); return 64; }
    pace = count > 2 ? strtoull(arguments[2], NULL, 10) * 1000 : 0;
    prepare();
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("mock");
        return 1;
    }
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(poller, ready, 256, until_next_stream());
        if (n < 0 && errno != EINTR) { perror("mock"); return 1; }
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) open_connections(listener, poller);
            else if (by_fd[fd] && take(by_fd[fd])) drop(by_fd[fd]);
        }
        step_due_streams();
    }
}
