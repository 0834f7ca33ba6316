/* Sends one HTTP/1.1 request exactly N times over C connections, and looks at every answer.
 *
 *   load ADDRESS PORT CONNECTIONS REQUESTS EVENTS END < REQUEST
 *
 * REQUEST is head and body as they go out. With EVENTS above 0 an answer is a stream of at least so many lines of data,
 * and a line of it has END near its beginning; otherwise it is one JSON object. Stops at the first answer that is not
 * so. Prints a line of JSON: how many were answered, in how many seconds, and what was wrong.
 *
 * A number of requests that is fixed is what CPU per request is divided by; wrk stops by the clock, with requests open.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 16 * 1024, READ = 64 * 1024, LINE = 64, SHOWN = 400, STALLED_MS = 30000 };
enum state { IN_HEAD, IN_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
    int fd, busy, head_length, status, line_length, events, ended;
    enum state state;
    int64_t left;        /* bytes of the body, or of the chunk, that are still to come */
    char head[HEAD + 1], line[LINE + 1], first;
};

static char request[READ];
static int request_length, want_events, want, sent, answered;
static double began;
static const char *end_mark;
static struct sockaddr_in address;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void disconnect(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static int connected(struct connection *c) {
    int one = 1;
    if (c->fd >= 0) return 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) return -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static void report(const char *wrong) {
    printf("{\"answered\": %d, \"seconds\": %f, \"wrong\": \"%s\"}\n", answered, now() - began, wrong);
}

static void fail(struct connection *c, const char *why) {
    char wrong[SHOWN + 1];
    snprintf(wrong, sizeof wrong, "%s: %.*s", why, SHOWN - 64, c->head);
    for (char *p = wrong; *p; p++)
        if (*p < 32 || *p == '"' || *p == '\\' || *p > 126) *p = ' ';
    report(wrong);
    exit(1);
}

/* Sends the next request, if one is left. A request is smaller than a socket's buffer: a short write is an error. */
static void begin(struct connection *c) {
    if (sent == want) {
        disconnect(c);
        return;
    }
    sent++;
    c->busy = 1;
    c->state = IN_HEAD;
    c->head_length = c->line_length = c->events = c->ended = c->first = 0;
    c->head[0] = 0;
    if (connected(c) || send(c->fd, request, (size_t)request_length, MSG_NOSIGNAL) != request_length)
        fail(c, strerror(errno));
}

static void complete(struct connection *c) {
    int good = c->status == 200;
    good = good && (want_events ? c->events >= want_events && c->ended : c->first == '{');
    if (!good) fail(c, c->status == 200 ? "an answer that is not whole" : "refused");
    answered++;
    c->busy = 0;
    /* The other side may want to close, which nginx and others say in the head. */
    if (strcasestr(c->head, "\nconnection: close")) disconnect(c);
    begin(c);
}

static void body(struct connection *c, const char *data, int64_t length) {
    if (!c->first && length) c->first = data[0];
    if (!want_events) return;
    for (int64_t i = 0; i < length; i++) {
        if (data[i] != '\n') {
            if (c->line_length < LINE) c->line[c->line_length++] = data[i];
            continue;
        }
        c->line[c->line_length] = 0;
        c->line_length = 0;
        if (strncmp(c->line, "data:", 5)) continue;
        c->events++;
        if (strstr(c->line, end_mark)) c->ended = 1;
    }
}

/* Takes what belongs to the head; returns how many bytes that were. */
static int64_t head(struct connection *c, const char *data, int64_t length) {
    for (int64_t i = 0; i < length; i++) {
        if (c->head_length == HEAD) fail(c, "a head that is too long");
        c->head[c->head_length++] = data[i];
        c->head[c->head_length] = 0;
        if (c->head_length < 4 || memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4)) continue;
        c->status = atoi(c->head + 9);
        const char *size = strcasestr(c->head, "\r\ncontent-length:");
        if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->state = CHUNK_SIZE, c->left = 0;
        else if (size) c->state = IN_BODY, c->left = atoll(size + 17);
        else fail(c, "an answer without a length");
        return i + 1;
    }
    return length;
}

static int hex(char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* One byte of what is around a chunk's data: its size, the line's end after it, and the end of all. */
static void around(struct connection *c, char byte) {
    if (c->state == CHUNK_SIZE) {
        int digit = hex(byte);
        if (digit >= 0) c->left = c->left * 16 + digit;
        else if (byte == '\n') c->state = c->left ? CHUNK_DATA : TRAILER;
    } else if (byte == '\n') {
        if (c->state == TRAILER) complete(c);
        else c->state = CHUNK_SIZE, c->left = 0;
    }
}

static void take(struct connection *c, const char *data, int64_t length) {
    while (length > 0 && c->busy) {
        int64_t used = 1;
        if (c->state == IN_HEAD) {
            used = head(c, data, length);
        } else if (c->state == IN_BODY || c->state == CHUNK_DATA) {
            used = c->left < length ? c->left : length;
            body(c, data, used);
            c->left -= used;
            if (!c->left && c->state == IN_BODY) complete(c);
            else if (!c->left) c->state = CHUNK_END;
        } else {
            around(c, *data);
        }
        data += used;
        length -= used;
    }
}

static void read_from(struct connection *c) {
    static char data[READ];
    ssize_t got = c->fd < 0 ? -1 : recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (got > 0) take(c, data, got);
    else if (got < 0 && (c->fd < 0 || errno == EAGAIN || errno == EINTR)) return;
    else if (c->busy) fail(c, "the connection closed");
    else disconnect(c);
}

int main(int count, char **arguments) {
    if (count != 7) {
        fprintf(stderr, "usage: load ADDRESS PORT CONNECTIONS REQUESTS EVENTS END < REQUEST\n");
        return 64;
    }
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[2]))};
    if (inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) return 64;
    int connections = atoi(arguments[3]);
    want = atoi(arguments[4]);
    want_events = atoi(arguments[5]);
    end_mark = arguments[6];
    request_length = (int)fread(request, 1, sizeof request, stdin);
    poller = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event ready[256];
    began = now();
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        begin(&all[i]);
    }
    while (answered < want) {
        int n = epoll_wait(poller, ready, 256, STALLED_MS);
        if (n == 0) fail(&all[0], "nothing came for 30 s");
        for (int i = 0; i < n; i++) read_from(ready[i].data.ptr);
    }
    report("");
    return 0;
}
