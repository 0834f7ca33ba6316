#include "CSupport.h"

#include <string.h>

// The reflected Castagnoli polynomial (RFC 3720, appendix B.4).
#define POLYNOMIAL 0x82F63B78u

static uint32_t tables[8][256];

// Filled before main, so that readers need no lock.
__attribute__((constructor)) static void fill_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = sum;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

uint32_t volery_crc32c_table(uint32_t seed, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    uint32_t sum = ~seed;
    // Eight bytes a step ("slicing by eight"); the shifts make it independent of byte order.
    for (; count >= 8; count -= 8, next += 8) {
        sum ^= (uint32_t)next[0] | (uint32_t)next[1] << 8 | (uint32_t)next[2] << 16 | (uint32_t)next[3] << 24;
        sum = tables[7][sum & 0xFF] ^ tables[6][(sum >> 8) & 0xFF] ^ tables[5][(sum >> 16) & 0xFF]
            ^ tables[4][sum >> 24] ^ tables[3][next[4]] ^ tables[2][next[5]] ^ tables[1][next[6]] ^ tables[0][next[7]];
    }
    for (; count > 0; count--, next++) sum = (sum >> 8) ^ tables[0][(sum ^ *next) & 0xFF];
    return ~sum;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t seed, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    uint64_t sum = ~seed;
    for (; count >= 8; count -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    uint32_t rest = (uint32_t)sum;
    for (; count > 0; count--, next++) rest = _mm_crc32_u8(rest, *next);
    return ~rest;
}

static int has_sse42;

__attribute__((constructor)) static void detect(void) {
    __builtin_cpu_init();
    has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
}

uint32_t volery_crc32c(uint32_t seed, const void *bytes, size_t count) {
    return has_sse42 ? crc32c_sse42(seed, bytes, count) : volery_crc32c_table(seed, bytes, count);
}
#else
uint32_t volery_crc32c(uint32_t seed, const void *bytes, size_t count) {
    return volery_crc32c_table(seed, bytes, count);
}
#endif
