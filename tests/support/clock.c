/* The wall clock of a process runs backwards, a second for each second; clocks that only measure stay as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static struct timespec began;

__attribute__((constructor)) static void begin(void) {
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_REALTIME, &began);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int status = real(clock, out);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long nanoseconds = 2 * began.tv_nsec - out->tv_nsec;
        out->tv_sec = 2 * began.tv_sec - out->tv_sec;
        while (nanoseconds < 0) { nanoseconds += 1000000000L; out->tv_sec--; }
        while (nanoseconds >= 1000000000L) { nanoseconds -= 1000000000L; out->tv_sec++; }
        out->tv_nsec = nanoseconds;
    }
    return status;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
