#include "CSupport.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif

void volery_return_large_blocks(void) {
#if defined(__GLIBC__) && defined(M_MMAP_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}
