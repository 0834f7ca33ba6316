#include "CSupport.h"

#include <string.h>

// Sixteen bytes at a time, in whatever the processor has for it.
typedef uint8_t lanes __attribute__((vector_size(16)));
typedef int8_t signed_lanes __attribute__((vector_size(16)));

// Where the first byte is that has a bit set, of eight as they stand in memory.
static size_t first_set(uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(word) / 8;
#else
    return (size_t)__builtin_clzll(word) / 8;
#endif
}

static int is_plain(uint8_t byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

size_t volery_plain_length(const void *text, size_t count) {
    const uint8_t *bytes = text;
    size_t done = 0;
    while (count - done >= sizeof(lanes)) {
        lanes word;
        memcpy(&word, bytes + done, sizeof word);
        // With a sign, what is 0x80 and above is below 0x20 too.
        lanes special = (lanes)(word == '"') | (lanes)(word == '\\') | (lanes)((signed_lanes)word < 0x20);
        uint64_t halves[2];
        memcpy(halves, &special, sizeof halves);
        if (halves[0] | halves[1])
            return halves[0] ? done + first_set(halves[0]) : done + 8 + first_set(halves[1]);
        done += sizeof(lanes);
    }
    while (done < count && is_plain(bytes[done])) done++;
    return done;
}
