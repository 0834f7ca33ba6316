#define _GNU_SOURCE
#include "CSupport.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

void volery_return_large_blocks(void) {
#if defined(__GLIBC__) && defined(M_MMAP_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

void volery_forget_startup_code(void) {
#ifdef __linux__
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) return;
    char line[4352];
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin = 0, end = 0;
        char rights[5] = "", path[2] = "";
        int read = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &begin, &end, rights, path);
        // Code of a file, that nobody can have written to: what is dropped is read from the file again.
        if (read != 4 || path[0] != '/' || rights[1] != '-' || rights[2] != 'x' || rights[3] != 'p') continue;
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    fclose(maps);
#endif
}
