/* A simulated libnvidia-ml.so.1: what NVML would say about GPUs that do not exist.
 *
 * nvml_state.h tells what they do, nvml_gpm.h has their pipes' counters. A missing symbol is a build variant: the linker hides it.
 * Structures and return codes follow nvml.h as nvidia-ml-py 13 declares them.
 */
#include "nvml_state.h"

enum { UNSIGNED_INT = 1, POWER_SAMPLES = 0, UTILISATION_SAMPLES = 1, SAMPLES = 120, SM_CLOCK = 1 };
#define NOT_AVAILABLE UINT64_MAX

typedef struct { uint32_t pid; uint64_t bytes; uint32_t gpu_instance, compute_instance; } ProcessInfo;
typedef struct { uint64_t total, free, used; } Memory;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } MemoryV2;
typedef struct { uint32_t gpu, memory; } Utilisation;
typedef struct { uint64_t time_us; union { double d; uint32_t ui; uint64_t ull; } value; } Sample;
typedef struct { uint32_t pid; uint64_t time_us; uint32_t sm, memory, encoder, decoder; } ProcessSample;
typedef struct {
    uint32_t sms, copiers, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    uint64_t memory_mb;
} Attributes;

/* Starting and ending */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code __attribute__((cleanup(leave))) = (enter("nvmlInit", NULL), OK);
    if (!control) return NOT_LOADED;
    if ((code = fault("nvmlInit", -1, 0)->code)) return code;
    if (owner != getpid() || load != load_at_start) users = 0;
    if (load != load_at_start) memset(distortions, 0, sizeof distortions);
    owner = getpid(), load_at_start = load;
    users++;
    return OK;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    ENTER(NULL);
    users--;
    return OK;
}

const char *nvmlErrorString(int code) {
    switch (code) {
        case OK: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case NOT_FOUND: return "Not Found";
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

/* Devices */

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

static Device *by_uuid(const char *uuid) {
    for (int i = 0; i < n_gpus; i++)
        if (!strcmp(gpus[i].uuid, uuid)) return &gpus[i];
    for (int i = 0; i < n_slices; i++)
        if (!strcmp(slices[i].uuid, uuid)) return &slices[i];
    return NULL;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
    ENTER(by_uuid(uuid));
    *device = by_uuid(uuid);
    return *device ? OK : NOT_FOUND;
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
    *memory = (Memory){(uint64_t)d->memory, (uint64_t)(d->memory - d->used), (uint64_t)d->used};
    return OK;
}

int nvmlDeviceGetMemoryInfo_v2(Device *d, MemoryV2 *memory) {
    ENTER(d);
    *memory = (MemoryV2){memory->version, (uint64_t)d->memory, 0, (uint64_t)(d->memory - d->used), (uint64_t)d->used};
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device *d, unsigned *milliwatts) {
    ENTER(d);
    if (d->parent || d->limit_w <= 0) return NOT_SUPPORTED;
    *milliwatts = (unsigned)(d->limit_w * 1e3 + 0.5);
    return OK;
}

/* MIG */

static int in_mig_mode(const Device *d) {
    for (int i = 0; i < n_slices; i++)
        if (slices[i].parent == d) return 1;
    return 0;
}

int nvmlDeviceGetMigMode(Device *d, unsigned *current, unsigned *pending) {
    ENTER(d);
    *current = *pending = (unsigned)in_mig_mode(d);
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *d, unsigned *count) {
    ENTER(d);
    *count = (unsigned)d->mig_slices;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *d, unsigned index, Device **device) {
    ENTER(d);
    for (int i = 0; i < n_slices; i++)
        if (slices[i].parent == d && slices[i].slice == (int)index) return *device = &slices[i], OK;
    return NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *slice, Device **device) {
    ENTER(slice);
    if (!slice->parent) return INVALID;
    *device = slice->parent;
    return OK;
}

int nvmlDeviceIsMigDeviceHandle(Device *d, unsigned *is_slice) {
    ENTER(d);
    *is_slice = d->parent != NULL;
    return OK;
}

int nvmlDeviceGetGpuInstanceId(Device *d, unsigned *id) {
    ENTER(d);
    if (!d->parent) return NOT_SUPPORTED;
    *id = d->gpu_instance;
    return OK;
}

int nvmlDeviceGetComputeInstanceId(Device *d, unsigned *id) {
    ENTER(d);
    if (!d->parent) return NOT_SUPPORTED;
    *id = d->compute_instance;
    return OK;
}

int nvmlDeviceGetAttributes_v2(Device *d, Attributes *attributes) {
    ENTER(d);
    if (!d->parent) return NOT_SUPPORTED;
    *attributes = (Attributes){.sms = d->sms, .gpu_slices = d->gpu_slices, .compute_slices = d->compute_slices,
                               .memory_mb = (uint64_t)d->memory >> 20};
    return OK;
}

/* Energy, power, utilisation */

int nvmlDeviceGetTotalEnergyConsumption(Device *d, unsigned long long *millijoules) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    double t = now(), at = refreshed(d, t), joules = energy_j(d, at);
    if (d->distort_ms > 0) joules = distorted(d, t, at, joules);
    joules += d->offset_j;
    *millijoules = joules > 0 ? (unsigned long long)(joules * 1e3 + 0.5) : 0;
    return OK;
}

int nvmlDeviceGetPowerUsage(Device *d, unsigned *milliwatts) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    *milliwatts = (unsigned)(power_w(d, refreshed(d, now())) * 1e3 + 0.5);
    return OK;
}

int nvmlDeviceGetUtilizationRates(Device *d, Utilisation *rates) {
    ENTER(d);
    if (d->parent || in_mig_mode(d) || d->sample_ms <= 0) return NOT_SUPPORTED;
    double step = d->sample_ms / 1e3;
    *rates = (Utilisation){(uint32_t)segment(d, floor(now() / step + 1e-9) * step)->busy, 0};
    return OK;
}

/* The number of samples so far; the nudge is for an instant on the grid. */
static int64_t taken(double step) { return (int64_t)floor(now() / step + 1e-9); }

static uint64_t sampled_us(int64_t k, double step) { return k > 0 ? (uint64_t)(k * step * 1e6 + 0.5) : 0; }

/* A power sample is the mean of its period, in mW. */
static uint32_t sampled(const Device *d, unsigned type, double t, double step) {
    if (type == UTILISATION_SAMPLES) return (uint32_t)segment(d, t - step / 2)->busy;
    return (uint32_t)((energy_j(d, t) - energy_j(d, t - step)) / step * 1e3 + 0.5);
}

/* With no room given: the buffer's size, as the driver answers. The newest samples, oldest first. */
int nvmlDeviceGetSamples(Device *d, unsigned type, unsigned long long last_us, unsigned *value_type, unsigned *count,
                         Sample *samples) {
    ENTER(d);
    double step = type == POWER_SAMPLES ? d->power_sample_ms / 1e3 : type == UTILISATION_SAMPLES ? d->sample_ms / 1e3 : 0;
    if (d->parent || step <= 0 || (type == UTILISATION_SAMPLES && in_mig_mode(d))) return NOT_SUPPORTED;
    *value_type = UNSIGNED_INT;
    if (!samples) return *count = SAMPLES, OK;
    int64_t newest = taken(step);
    unsigned n = 0;
    for (int64_t k = newest - SAMPLES + 1; k <= newest && n < *count; k++) {
        if (sampled_us(k, step) <= last_us) continue;
        samples[n].time_us = sampled_us(k, step);
        samples[n++].value.ui = sampled(d, type, k * step, step);
    }
    *count = n;
    return n ? OK : NOT_FOUND;
}

#include "nvml_gpm.h"

/* Processes */

static double sm_of(int gpu, int pid, double t) {
    double found = 0;
    for (int i = 0; i < n_uses; i++)
        if (uses[i].gpu == gpu && uses[i].pid == pid && uses[i].from <= t) found = uses[i].sm;
    return found;
}

/* The mean over a process's samples from `first` to `last`, or nothing where there is none. */
static unsigned process_sample(const Device *d, int pid, int64_t first, int64_t last, ProcessSample *found) {
    double step = d->sample_ms / 1e3, sum = 0;
    for (int64_t k = first; k <= last; k++) sum += sm_of(d->index, pid, k * step - step / 2);
    if (sum <= 0) return 0;
    *found = (ProcessSample){.pid = (uint32_t)pid, .time_us = sampled_us(last, step),
                             .sm = (uint32_t)(sum / (double)(last - first + 1) + 0.5)};
    return 1;
}

/* One sample of each process that was active since then; with sm_each, one for each of the driver's periods. */
int nvmlDeviceGetProcessUtilization(Device *d, ProcessSample *samples, unsigned *count, unsigned long long last_us) {
    static ProcessSample found[PROCESSES * 4];
    ENTER(d);
    double step = d->sample_ms / 1e3;
    if (d->parent || in_mig_mode(d) || step <= 0) return NOT_SUPPORTED;
    int64_t last = taken(step), first = last - SAMPLES + 1;
    unsigned n = 0;
    while (first <= last && sampled_us(first, step) <= last_us) first++;
    for (int i = 0; i < n_uses; i++) {
        int pid = uses[i].pid, repeated = uses[i].gpu != d->index;
        for (int j = 0; j < i; j++) repeated |= uses[j].pid == pid && uses[j].gpu == d->index;
        if (repeated || first > last) continue;
        for (int64_t k = d->sm_each ? first : last; k <= last && n < PROCESSES * 4; k++)
            n += process_sample(d, pid, d->sm_each ? k : first, k, &found[n]);
    }
    if (!n) return NOT_FOUND;
    unsigned room = samples ? *count : 0;
    *count = n;
    if (room < n) return TOO_SMALL;
    memcpy(samples, found, n * sizeof *found);
    return OK;
}

static int listed(const Device *d, int graphics, unsigned *count, ProcessInfo *infos) {
    unsigned room = infos ? *count : 0, n = 0;
    for (int i = 0; i < n_processes; i++) {
        const Process *p = &processes[i];
        if (p->gpu != d->index || p->graphics != graphics || (d->parent && p->slice != d->slice)) continue;
        if (n < room) {
            uint64_t bytes = p->bytes < 0 ? NOT_AVAILABLE : (uint64_t)p->bytes;
            infos[n] = (ProcessInfo){(uint32_t)p->pid, bytes, UINT32_MAX, UINT32_MAX};
        }
        n++;
    }
    *count = n;
    return n > room ? TOO_SMALL : OK;
}

#define LIST(name, graphics) \
    int name(Device *d, unsigned *count, ProcessInfo *infos) { \
        ENTER(d); \
        return listed(d, graphics, count, infos); \
    }
LIST(nvmlDeviceGetComputeRunningProcesses_v2, 0)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, 0)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, 1)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, 1)
