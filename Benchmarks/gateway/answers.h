/* What the mock answers, in two dialects, made once at the start: the path of a request says which one it speaks.
 *
 * A stream is 64 events of 188 bytes with words in them, between what the dialect begins and ends a stream with.
 */
#include <stdio.h>
#include <string.h>

enum { CHUNKS = 64, CHUNK_BYTES = 188, JSON_BYTES = 1184, FRAME = 16 };

struct answers {
    char json[JSON_BYTES + 256];            /* a whole answer, with its HTTP head */
    char opening[1024];                     /* events before the first word */
    char chunk[CHUNK_BYTES + FRAME];
    char burst[(CHUNK_BYTES + FRAME) * CHUNKS];
    char ending[1024], ending_with_usage[1024];
    int json_length, opening_length, chunk_length, burst_length, ending_length, ending_with_usage_length;
};

static const char stream_head[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

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

static void set_json(struct answers *a, const char *head, const char *tail) {
    char body[JSON_BYTES + 1];
    padded(body, JSON_BYTES, head, tail);
    a->json_length = sprintf(a->json,
                             "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                             JSON_BYTES, body);
}

static void set_chunk(struct answers *a, const char *head, const char *tail) {
    char event[CHUNK_BYTES + 1];
    padded(event, CHUNK_BYTES, head, tail);
    a->chunk_length = framed(a->chunk, event, CHUNK_BYTES);
    for (int i = 0; i < CHUNKS; i++, a->burst_length += a->chunk_length)
        memcpy(a->burst + a->burst_length, a->chunk, (size_t)a->chunk_length);
}

/* Appends `event` in a frame of its own, as a server does that flushes after each. */
static void add(char *out, int *length, const char *event) {
    *length += framed(out + *length, event, (int)strlen(event));
}

static void prepare_openai(struct answers *a) {
    static const char done[] = "data: [DONE]\n\n";
    set_json(a,
             "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\","
             "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
             "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":250,"
             "\"total_tokens\":350}}");
    set_chunk(a,
              "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\","
              "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
              "\"},\"finish_reason\":null}]}\n\n");
    add(a->ending, &a->ending_length, done);
    add(a->ending_with_usage, &a->ending_with_usage_length,
        "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\","
        "\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":64,\"total_tokens\":164}}\n\n");
    add(a->ending_with_usage, &a->ending_with_usage_length, done);
}

static void prepare_anthropic(struct answers *a) {
    set_json(a,
             "{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\","
             "\"content\":[{\"type\":\"text\",\"text\":\"",
             "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
             "\"usage\":{\"input_tokens\":100,\"output_tokens\":250}}");
    add(a->opening, &a->opening_length,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_mock\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
        "\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n");
    add(a->opening, &a->opening_length,
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    set_chunk(a,
              "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
              "\"delta\":{\"type\":\"text_delta\",\"text\":\"",
              "\"}}\n\n");
    add(a->ending, &a->ending_length,
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
    add(a->ending, &a->ending_length,
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
        "\"stop_sequence\":null},\"usage\":{\"output_tokens\":64}}\n\n");
    add(a->ending, &a->ending_length, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    memcpy(a->ending_with_usage, a->ending, sizeof a->ending);
    a->ending_with_usage_length = a->ending_length;
}
