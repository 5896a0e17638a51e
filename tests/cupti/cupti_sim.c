/* A libcupti and libcuda of our own: GPUs that run what the test says, reported as CUPTI reports it.
 *
 * As in the real one (docs/gpu-time.md): correlation ids are handed out in launch order over the
 * process; a record stands in a buffer from its launch on and is complete when its times are known;
 * a buffer comes back when it is full, or flushed, and complete; the callbacks are called on a thread of
 * CUPTI's, or of a thread that launches, *while CUPTI's lock is held*, which each launch takes.
 * Records have the sizes and offsets of CUDA 12.9's headers.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEMCPY = 1, MEMSET = 2, KERNEL = 10, KINDS = 64, BUFFERS = 256, DEVICES = 8 };
typedef void (*request_t)(uint8_t **, size_t *, size_t *);
typedef void (*complete_t)(void *, uint32_t, uint8_t *, size_t, size_t);
typedef struct { uint8_t *at; size_t size, used; int full; } buffer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static request_t request;
static complete_t complete;
static buffer out[BUFFERS];
static int outs, enabled[KINDS], started, flushing, forced;
static uint32_t correlation;
static double ticks = 1.0;
static uint64_t clock_ns, dropped, marks, memsets_fail;
static int devices = 1, active = 1, marks_hang, registered_fail, enable_fail, captured;

static size_t size_of(uint32_t kind) { return kind == KERNEL ? 208 : kind == MEMCPY ? 96 : kind == MEMSET ? 88 : 0; }
static uint32_t *u32(uint8_t *r, size_t at) { return (uint32_t *)(r + at); }
static uint64_t *u64(uint8_t *r, size_t at) { return (uint64_t *)(r + at); }

static int whole(buffer *b) {
    for (uint8_t *r = b->at; r < b->at + b->used; r += size_of(*u32(r, 0)))
        if (!*u64(r, 24))
            return 0;
    return 1;
}

/* With the lock held, as the real one does. */
static void give_back(int all) {
    int kept = 0;
    for (int i = 0; i < outs; i++) {
        if ((out[i].full || flushing) && (all || whole(&out[i])))
            complete(0, 0, out[i].at, out[i].size, out[i].used);
        else
            out[kept++] = out[i];
    }
    outs = kept;
}

static void *worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!flushing && !(outs && out[0].full))
            pthread_cond_wait(&work, &lock);
        int before = outs;
        give_back(forced);
        if (flushing) {
            flushing = forced = 0;
            pthread_cond_broadcast(&done);
        } else if (outs == before)
            pthread_cond_wait(&work, &lock);
    }
    return 0;
}

static uint8_t *room(size_t need) {
    buffer *last = outs ? &out[outs - 1] : 0;
    if (last && !last->full && last->used + need > last->size) {
        last->full = 1;
        pthread_cond_signal(&work);
    }
    if (!last || last->full) {
        size_t most = 0;
        buffer fresh = {0, 0, 0, 0};
        if (request && outs < BUFFERS)
            request(&fresh.at, &fresh.size, &most);
        if (!fresh.at || fresh.size < need) {
            dropped++;
            return 0;
        }
        memset(fresh.at, 0, fresh.size);
        out[outs++] = fresh;
        last = &out[outs - 1];
    }
    uint8_t *r = last->at + last->used;
    last->used += need;
    return r;
}

static uint32_t record(uint32_t kind, uint32_t device, uint32_t context, uint32_t stream, uint64_t start, uint64_t end,
                       uint64_t bytes) {
    uint32_t id = ++correlation;
    if (!enabled[kind])
        return id;
    uint8_t *r = room(size_of(kind));
    if (!r)
        return id;
    *u32(r, 0) = kind;
    *u64(r, 16) = start, *u64(r, 24) = end;
    if (kind == KERNEL) {
        *u32(r, 40) = device, *u32(r, 44) = context, *u32(r, 48) = stream, *u32(r, 92) = id;
    } else {
        *u64(r, 8) = bytes;
        *u32(r, 32) = device, *u32(r, 36) = context, *u32(r, 40) = stream, *u32(r, 44) = id;
    }
    return id;
}

/* CUPTI */

int cuptiActivityRegisterCallbacks(request_t asks, complete_t gives) {
    if (registered_fail)
        return registered_fail;
    pthread_mutex_lock(&lock);
    request = asks, complete = gives;
    if (!started) {
        pthread_t thread;
        pthread_create(&thread, 0, worker, 0);
        started = 1;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cuptiActivityEnable(int kind) {
    if (enable_fail && kind == KERNEL)
        return enable_fail;
    enabled[kind] = 1;
    return 0;
}
/* Of the clock of the records: that of the machine, by so many ticks a nanosecond. */
int cuptiGetTimestamp(uint64_t *now) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    *now = (uint64_t)(ticks * ((double)at.tv_sec * 1e9 + (double)at.tv_nsec));
    return 0;
}
void sim_ticks(double per_ns) { ticks = per_ns; }
int cuptiActivityDisable(int kind) { return enabled[kind] = 0; }
int cuptiActivityFlushAll(uint32_t flag) {
    pthread_mutex_lock(&lock);
    if (started) {
        flushing = 1, forced = (int)flag;
        pthread_cond_signal(&work);
        while (flushing)
            pthread_cond_wait(&done, &lock);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cuptiActivityGetNextRecord(uint8_t *b, size_t valid, uint8_t **r) {
    uint8_t *next = *r ? *r + size_of(*u32(*r, 0)) : b;
    if (next >= b + valid)
        return 12;
    *r = next;
    return 0;
}
int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *count) {
    (void)context, (void)stream;
    pthread_mutex_lock(&lock);
    *count = dropped, dropped = 0;
    pthread_mutex_unlock(&lock);
    return 0;
}
int cuptiGetContextId(void *context, uint32_t *id) {
    *id = (uint32_t)(uintptr_t)context;
    return 0;
}
int cuptiGetStreamIdEx(void *context, void *stream, uint8_t own, uint32_t *id) {
    (void)context, (void)own;
    *id = (uint32_t)(uintptr_t)stream;
    return 0;
}
int cuptiGetResultString(int result, const char **text) {
    *text = result == 35 ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES" : "CUPTI_ERROR_SIMULATED";
    return 0;
}

/* CUDA: contexts are 0x100 + device, our stream is 77. */

static __thread void *stack[16];
static __thread int depth;

int cuInit(unsigned flags) { return (int)flags; }
int cuDeviceGetCount(int *count) {
    *count = devices;
    return 0;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return 0;
}
int cuDeviceGetUuid_v2(uint8_t *uuid, int device) {
    memset(uuid, 0x11, 16);
    memset(uuid, 0, 4);
    uuid[3] = (uint8_t)device;
    return 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *is) {
    *flags = 0, *is = active && device == devices - active;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = (void *)(uintptr_t)(0x100 + device);
    return 0;
}
int cuCtxGetCurrent(void **context) {
    *context = depth ? stack[depth - 1] : 0;
    return 0;
}
int cuCtxPushCurrent_v2(void *context) {
    stack[depth++] = context;
    return 0;
}
int cuCtxPopCurrent_v2(void **context) {
    *context = stack[--depth];
    return 0;
}
int cuCtxGetStreamPriorityRange(int *low, int *high) {
    *low = 0, *high = -5;
    return 0;
}
int cuThreadExchangeStreamCaptureMode(int *mode) {
    static __thread int now = 0;
    int before = now;
    now = *mode, *mode = before;
    captured += now == 2;
    return 0;
}
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    *stream = (void *)77;
    return flags == 1 && priority == -5 && depth ? 0 : 1;
}
int cuMemAlloc_v2(uint64_t *at, size_t size) {
    *at = size;
    return depth ? 0 : 201;
}
int cuMemsetD8Async(uint64_t at, unsigned char value, size_t size, void *stream) {
    (void)at, (void)value;
    if (!depth)
        return 201; /* CUDA_ERROR_INVALID_CONTEXT */
    if (memsets_fail)
        return (int)memsets_fail;
    pthread_mutex_lock(&lock);
    uint32_t context = (uint32_t)(uintptr_t)stack[depth - 1];
    marks++;
    uint64_t now = ++clock_ns;
    record(MEMSET, context - 0x100, context, (uint32_t)(uintptr_t)stream, now, marks_hang ? 0 : now + 1, size);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* The test */

void sim_reset(int how_many, int has_context) {
    cuptiActivityFlushAll(1);
    pthread_mutex_lock(&lock);
    devices = how_many, active = has_context, correlation = 0, dropped = 0, marks = 0;
    clock_ns = 1000, marks_hang = 0, memsets_fail = 0, registered_fail = 0, enable_fail = 0, captured = 0;
    request = 0, ticks = 1.0;
    memset(enabled, 0, sizeof enabled);
    pthread_mutex_unlock(&lock);
}
/* A launch; end 0: it goes on until sim_end. Gives its correlation id. */
uint32_t sim_launch(uint32_t kind, uint32_t device, uint32_t stream, uint64_t start, uint64_t end) {
    pthread_mutex_lock(&lock);
    uint32_t id = record(kind, device, 0x100 + device, stream, start, end, 64);
    pthread_mutex_unlock(&lock);
    return id;
}
void sim_launch_many(uint32_t count, uint32_t device, uint64_t start, uint64_t step, uint64_t length) {
    for (uint32_t i = 0; i < count; i++)
        sim_launch(KERNEL, device, 7, start + i * step, start + i * step + length);
}
void sim_end(uint32_t id, uint64_t start, uint64_t end) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < outs; i++)
        for (uint8_t *r = out[i].at; r < out[i].at + out[i].used; r += size_of(*u32(r, 0)))
            if (*u32(r, *u32(r, 0) == KERNEL ? 92 : 44) == id)
                *u64(r, 16) = start, *u64(r, 24) = end;
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&lock);
}
/* Marks that hang do not complete until this is called with 0. */
void sim_marks_hang(int yes) {
    pthread_mutex_lock(&lock);
    marks_hang = yes;
    for (int i = 0; !yes && i < outs; i++)
        for (uint8_t *r = out[i].at; r < out[i].at + out[i].used; r += size_of(*u32(r, 0)))
            if (*u32(r, 0) == MEMSET && !*u64(r, 24))
                *u64(r, 24) = *u64(r, 16) + 1;
    pthread_mutex_unlock(&lock);
}
void sim_correlation(uint32_t next) { correlation = next - 1; }
void sim_fail(int registering, int enabling, int memsets) {
    registered_fail = registering, enable_fail = enabling, memsets_fail = (uint64_t)memsets;
}
static void other_request(uint8_t **b, size_t *size, size_t *most) {
    static uint8_t theirs[1 << 16];
    *b = theirs, *size = sizeof theirs, *most = 0;
}
static void other_complete(void *c, uint32_t s, uint8_t *b, size_t size, size_t valid) {
    (void)c, (void)s, (void)b, (void)size, (void)valid;
}
/* Another profiler registers its callbacks. */
void sim_taken_over(void) { cuptiActivityRegisterCallbacks(other_request, other_complete); }
int sim_enabled(int kind) { return enabled[kind]; }
int sim_ours(void) { return request && request != other_request; }
uint64_t sim_marks(void) { return marks; }
int sim_depth(void) { return depth; }
int sim_relaxed(void) { return captured; }
