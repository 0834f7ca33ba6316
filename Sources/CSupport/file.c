#include "CSupport.h"

#include <errno.h>
#include <sys/stat.h>

int volery_file_access(const char *path, uint32_t *mode, uint32_t *owner) {
    struct stat facts;
    if (stat(path, &facts) != 0) return errno;
    *mode = facts.st_mode & 07777;
    *owner = facts.st_uid;
    return 0;
}
