/* A simulated libnvidia-ml.so.1: what NVML would say about GPUs that do not exist.
 *
 * The file named by $NVML_SIM says everything (tests/nvml/sim.py writes it while this runs):
 *
 *   bytes 0-7  sequence number, odd while the text is being written (a seqlock)
 *   bytes 8-   text, one statement a line, a zero byte at the end:
 *     driver  580.1                                    the driver's version
 *     now     12.5                                     simulated clock in s; without it CLOCK_MONOTONIC
 *     gpu     <uuid> <memory B> <used B> <step ms> <counter offset J> <sample ms> <name ...>
 *     segment <gpu> <from s> <energy J> <power W> <utilisation %>     ascending in time
 *     process <gpu> <pid> <memory B, -1: not available>
 *     mig     <gpu> <uuid>                             a slice of that GPU, so MIG mode is on
 *     error   <function> <nvmlReturn_t> <gpu, -1: any>
 *
 * Power is constant within a segment, so energy is an exact integral. The counter shows the energy
 * of the last multiple of the step. A missing symbol is a build variant: the linker hides it.
 * Structures and return codes follow nvml.h as nvidia-ml-py 13 declares them.
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 1 << 20, GPUS = 16, SEGMENTS = 4096, PROCESSES = 256, ERRORS = 64, SAMPLES = 120 };
enum { OK, UNINITIALIZED, INVALID, NOT_SUPPORTED, NOT_FOUND = 6, TOO_SMALL = 7, NOT_LOADED = 9 };
enum { UNSIGNED_INT = 1, UTILISATION_SAMPLES = 1 };
#define NOT_AVAILABLE UINT64_MAX

typedef struct { double from, joules, watts, busy; } Segment;
typedef struct { int gpu, pid; int64_t bytes; } Process;
typedef struct { char function[64]; int code, gpu; } Fault;
typedef struct Device {
    int index;
    struct Device *parent;  /* of a MIG slice, else NULL */
    char uuid[96], name[96];
    uint64_t memory, used;
    double step, offset, sample;
    Segment segments[SEGMENTS];
    int n_segments;
} Device;

typedef struct { uint32_t pid; uint64_t bytes; uint32_t gpu_instance, compute_instance; } ProcessInfo;
typedef struct { uint64_t total, free, used; } Memory;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } MemoryV2;
typedef struct { uint32_t gpu, memory; } Utilisation;
typedef struct { uint64_t time_us; union { double d; uint32_t ui; uint64_t ull; } value; } Sample;

static const volatile char *control;
static uint64_t seen;
static pid_t owner;  /* the process that initialised: NVML does not survive a fork */
static int users;
static Device gpus[GPUS], slices[GPUS];
static Process processes[PROCESSES];
static Fault faults[ERRORS];
static int n_gpus, n_slices, n_processes, n_faults;
static char driver[64];
static double simulated_now;

/* The control file */

static void statement(char *line) {
    char word[16] = "", rest[256] = "";
    int at = 0, gpu = -1;
    if (sscanf(line, "%15s %n", word, &at) < 1) return;
    char *args = line + at;
    if (!strcmp(word, "driver")) {
        sscanf(args, "%63s", driver);
    } else if (!strcmp(word, "now")) {
        sscanf(args, "%lf", &simulated_now);
    } else if (!strcmp(word, "gpu") && n_gpus < GPUS) {
        Device *d = &gpus[n_gpus];
        memset(d, 0, sizeof *d);
        sscanf(args, "%95s %lu %lu %lf %lf %lf %255[^\n]", d->uuid, &d->memory, &d->used, &d->step, &d->offset,
               &d->sample, rest);
        d->index = n_gpus++;
        d->step /= 1e3, d->sample /= 1e3;
        snprintf(d->name, sizeof d->name, "%.95s", rest);
    } else if (!strcmp(word, "segment") && sscanf(args, "%d", &gpu) && gpu >= 0 && gpu < n_gpus) {
        Device *d = &gpus[gpu];
        if (d->n_segments == SEGMENTS) return;
        Segment *s = &d->segments[d->n_segments++];
        sscanf(args, "%*d %lf %lf %lf %lf", &s->from, &s->joules, &s->watts, &s->busy);
    } else if (!strcmp(word, "process") && n_processes < PROCESSES) {
        Process *p = &processes[n_processes++];
        sscanf(args, "%d %d %ld", &p->gpu, &p->pid, &p->bytes);
    } else if (!strcmp(word, "mig") && n_slices < GPUS && sscanf(args, "%d", &gpu) && gpu >= 0 && gpu < n_gpus) {
        Device *d = &slices[n_slices++];
        memset(d, 0, sizeof *d);
        sscanf(args, "%*d %95s", d->uuid);
        d->index = gpu, d->parent = &gpus[gpu];
        snprintf(d->name, sizeof d->name, "%.80s MIG", gpus[gpu].name);
    } else if (!strcmp(word, "error") && n_faults < ERRORS) {
        Fault *f = &faults[n_faults++];
        sscanf(args, "%63s %d %d", f->function, &f->code, &f->gpu);
    }
}

static void parse(char *text) {
    n_gpus = n_slices = n_processes = n_faults = 0;
    simulated_now = NAN;
    strcpy(driver, "580.1");
    char *next, *end;
    for (char *line = text; line && *line; line = next) {
        next = (end = strchr(line, '\n')) ? end + 1 : NULL;
        if (end) *end = 0;
        statement(line);
    }
}

static int map_control(void) {
    const char *path = getenv("NVML_SIM");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return 0;
    void *found = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    control = found == MAP_FAILED ? NULL : found;
    return control != NULL;
}

static void refresh(void) {
    static char text[SIZE];
    const volatile uint64_t *sequence = (const volatile uint64_t *)control;
    uint64_t before;
    if (*sequence == seen) return;
    do {
        while ((before = *sequence) & 1) usleep(10);
        __sync_synchronize();
        memcpy(text, (const char *)control + 8, SIZE - 8);
        __sync_synchronize();
    } while (*sequence != before);
    text[SIZE - 9] = 0;
    parse(text);
    seen = before;
}

/* What holds for every call */

static int fault(const char *function, int gpu) {
    for (int i = 0; i < n_faults; i++)
        if (!strcmp(faults[i].function, function) && (faults[i].gpu < 0 || faults[i].gpu == gpu)) return faults[i].code;
    return OK;
}

static int refused(const char *function, const Device *d) {
    if (!users || owner != getpid()) return UNINITIALIZED;
    refresh();
    return fault(function, d ? d->index : -1);
}

#define ENTER(device) do { int code = refused(__func__, device); if (code) return code; } while (0)

static double now(void) {
    if (!isnan(simulated_now)) return simulated_now;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static const Segment *segment(const Device *d, double t) {
    static const Segment none = {0, 0, 0, 0};
    const Segment *found = d->n_segments ? d->segments : &none;
    for (int i = 0; i < d->n_segments && d->segments[i].from <= t; i++) found = &d->segments[i];
    return found;
}

/* The last multiple of the step; the nudge keeps an instant on the grid from falling below it. */
static double refreshed(double t, double step) { return step > 0 ? floor(t / step + 1e-9) * step : t; }

/* The library */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!control && !map_control()) return NOT_LOADED;
    refresh();
    int code = fault("nvmlInit", -1);
    if (code) return code;
    if (owner != getpid()) users = 0;
    owner = getpid();
    users++;
    return OK;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    if (!users || owner != getpid()) return UNINITIALIZED;
    users--;
    return OK;
}

const char *nvmlErrorString(int code) {
    switch (code) {
        case OK: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case NOT_SUPPORTED: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case NOT_LOADED: return "Driver Not Loaded";
        case 15: return "GPU is lost";
        case 18: return "Driver/library version mismatch";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    ENTER(NULL);
    snprintf(version, length, "%s", driver);
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER(NULL);
    *count = (unsigned)n_gpus;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    ENTER(index < (unsigned)n_gpus ? &gpus[index] : NULL);
    if (index >= (unsigned)n_gpus) return INVALID;
    *device = &gpus[index];
    return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
    ENTER(NULL);
    for (int i = 0; i < n_gpus; i++)
        if (!strcmp(gpus[i].uuid, uuid)) return *device = &gpus[i], OK;
    for (int i = 0; i < n_slices; i++)
        if (!strcmp(slices[i].uuid, uuid)) return *device = &slices[i], OK;
    return NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *slice, Device **device) {
    ENTER(slice);
    if (!slice->parent) return INVALID;
    *device = slice->parent;
    return OK;
}

int nvmlDeviceGetMigMode(Device *d, unsigned *current, unsigned *pending) {
    ENTER(d);
    *current = *pending = 0;
    for (int i = 0; i < n_slices; i++)
        if (slices[i].parent == d) *current = *pending = 1;
    return OK;
}

int nvmlDeviceGetUUID(Device *d, char *uuid, unsigned length) {
    ENTER(d);
    snprintf(uuid, length, "%s", d->uuid);
    return OK;
}

int nvmlDeviceGetName(Device *d, char *name, unsigned length) {
    ENTER(d);
    snprintf(name, length, "%s", d->name);
    return OK;
}

int nvmlDeviceGetMemoryInfo(Device *d, Memory *memory) {
    ENTER(d);
    *memory = (Memory){d->memory, d->memory - d->used, d->used};
    return OK;
}

int nvmlDeviceGetMemoryInfo_v2(Device *d, MemoryV2 *memory) {
    ENTER(d);
    *memory = (MemoryV2){memory->version, d->memory, 0, d->memory - d->used, d->used};
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(Device *d, unsigned long long *millijoules) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    double t = refreshed(now(), d->step);
    const Segment *s = segment(d, t);
    double joules = d->offset + s->joules + s->watts * (t - s->from);
    *millijoules = joules > 0 ? (unsigned long long)(joules * 1e3 + 0.5) : 0;
    return OK;
}

int nvmlDeviceGetPowerUsage(Device *d, unsigned *milliwatts) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    *milliwatts = (unsigned)(segment(d, refreshed(now(), d->step))->watts * 1e3 + 0.5);
    return OK;
}

int nvmlDeviceGetUtilizationRates(Device *d, Utilisation *rates) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    *rates = (Utilisation){(uint32_t)segment(d, refreshed(now(), d->sample))->busy, 0};
    return OK;
}

/* With no room given: the buffer's size, as the driver answers. The newest samples, oldest first. */
int nvmlDeviceGetSamples(Device *d, unsigned type, unsigned long long last_us, unsigned *value_type, unsigned *count,
                         Sample *samples) {
    ENTER(d);
    if (d->parent || type != UTILISATION_SAMPLES || d->sample <= 0) return NOT_SUPPORTED;
    *value_type = UNSIGNED_INT;
    if (!samples) return *count = SAMPLES, OK;
    int64_t newest = (int64_t)floor(now() / d->sample + 1e-9), n = 0;
    for (int64_t k = newest - SAMPLES + 1; k <= newest && n < *count; k++) {
        double t = k * d->sample;
        if (t <= 0 || (uint64_t)(t * 1e6 + 0.5) <= last_us) continue;
        samples[n].time_us = (uint64_t)(t * 1e6 + 0.5);
        samples[n++].value.ui = (uint32_t)segment(d, t - d->sample / 2)->busy;
    }
    *count = (unsigned)n;
    return n ? OK : NOT_FOUND;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device *d, unsigned *count, ProcessInfo *infos) {
    ENTER(d);
    unsigned room = infos ? *count : 0, n = 0;
    for (int i = 0; i < n_processes; i++) {
        if (processes[i].gpu != d->index) continue;
        if (n < room) {
            uint64_t bytes = processes[i].bytes < 0 ? NOT_AVAILABLE : (uint64_t)processes[i].bytes;
            infos[n] = (ProcessInfo){(uint32_t)processes[i].pid, bytes, UINT32_MAX, UINT32_MAX};
        }
        n++;
    }
    *count = n;
    return n > room ? TOO_SMALL : OK;
}
