#include "CSupport.h"

#if defined(__linux__)
#include <sys/timex.h>

int volery_clock_is_synchronized(void) {
    struct timex state = {0};
    int answer = adjtimex(&state);
    if (answer < 0) return -1;
    return answer != TIME_ERROR && !(state.status & STA_UNSYNC);
}
#else
int volery_clock_is_synchronized(void) { return -1; }
#endif
