#define _GNU_SOURCE
#include "CSupport.h"

#include <string.h>

const void *volery_memmem(const void *haystack, size_t haystack_count, const void *needle, size_t needle_count) {
    return memmem(haystack, haystack_count, needle, needle_count);
}
