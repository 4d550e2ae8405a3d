// A library that stands between a program and the system (LD_PRELOAD). It reads two numbers from
// the file FOLDER/<program's name>. The first is the number of seconds that is added to the
// program's clock. If the second is not 0, the disk is full: as on a real disk, writes that make a
// file longer fail with ENOSPC, and writes within a file succeed.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The contents of the file. The test that writes it runs on the same machine.
struct conditions {
  int64_t clock_offset_s;
  int64_t disk_is_full;
};

static const struct conditions normal;
static const volatile struct conditions *conditions = &normal;

__attribute__((constructor)) static void enter(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", FOLDER, program_invocation_short_name);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *seen = mmap(NULL, sizeof *conditions, PROT_READ, MAP_SHARED, file, 0);
  if (seen != MAP_FAILED) conditions = seen;
  close(file);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now) {
  static __typeof__(&clock_gettime) next;
  if (!next) next = NEXT(clock_gettime);
  int result = next(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += conditions->clock_offset_s;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (seconds) *seconds = now.tv_sec;
  return now.tv_sec;
}

static int is_full(int file, off_t end) {
  struct stat about;
  return conditions->disk_is_full && fstat(file, &about) == 0 && S_ISREG(about.st_mode) && end > about.st_size;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  static __typeof__(&pwrite) next;
  if (!next) next = NEXT(pwrite);
  if (!is_full(file, offset + (off_t)count)) return next(file, bytes, count, offset);
  errno = ENOSPC;
  return -1;
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
  static __typeof__(&pwritev) next;
  if (!next) next = NEXT(pwritev);
  off_t end = offset;
  for (int n = 0; n < count; n++) end += (off_t)parts[n].iov_len;
  if (!is_full(file, end)) return next(file, parts, count, offset);
  errno = ENOSPC;
  return -1;
}

int posix_fallocate(int file, off_t offset, off_t length) {
  static __typeof__(&posix_fallocate) next;
  if (!next) next = NEXT(posix_fallocate);
  return is_full(file, offset + length) ? ENOSPC : next(file, offset, length);
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));
