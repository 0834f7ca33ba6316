#ifndef VOLERY_CSUPPORT_H
#define VOLERY_CSUPPORT_H

#include <stddef.h>
#include <stdint.h>

/// Runs `argv` as a child and makes sure that nothing of it outlives the process `parent_pid`, which must be the caller's
/// parent. Meant to be the whole of a process: it redirects the standard streams and never returns to normal work.
///
/// - Ends when the child ends, and then kills and reaps every descendant, also those in other sessions.
/// - Does the same at once when the parent dies, in whatever way, or on SIGUSR2.
/// - Passes SIGTERM, SIGINT and SIGHUP on to the child.
///
/// Returns the child's exit status (128 + the number of the signal that ended it), 125 when the guard itself could not be
/// set up, 126 or 127 when the command could not be run or found.
int volery_guard(char *const *argv, int parent_pid);

/// CRC-32C (Castagnoli) of `count` bytes, continuing from `seed` (0 for a new sum).
uint32_t volery_crc32c(uint32_t seed, const void *bytes, size_t count);

/// The same sum by table, whatever the processor; there so that tests can compare the two.
uint32_t volery_crc32c_table(uint32_t seed, const void *bytes, size_t count);

/// The first occurrence of `needle` in `haystack`, or NULL. An empty needle is found at the start.
const void *volery_memmem(const void *haystack, size_t haystack_count, const void *needle, size_t needle_count);

/// How many bytes of `text`, from its first on, may stand in a JSON string as they are and need no look: printable ASCII
/// but for `"` and `\`.
size_t volery_plain_length(const void *text, size_t count);

/// Whether something keeps the machine's clock in step: 1 or 0, and -1 where the kernel does not say.
int volery_clock_is_synchronized(void);

/// Processors that this process may run on: those of its affinity mask, which a container or `taskset` narrows.
int volery_cpu_count(void);

/// The permission bits of a file and its owner's number. Returns 0, or the `errno` that says why not.
int volery_file_access(const char *path, uint32_t *mode, uint32_t *owner);

/// Has what is larger than 1 MiB mapped apart, and given back to the system as soon as it is freed. glibc raises its bound
/// whenever such a block is freed: after the first hash of a key (19 MiB for argon2) the next ones would come from the
/// heaps of the threads, which keep them. For the begin of a process; does nothing with other libraries.
void volery_return_large_blocks(void);

/// Takes the pages of code out of this process's memory that were touched so far; those that are needed come back one by
/// one, from the page cache. A start touches most of the binary and of its libraries, and what comes after it a small
/// part. For the end of a start; does nothing on other systems than Linux.
void volery_forget_startup_code(void);

#endif
