/* The state of the simulated GPUs: the control file, the clock, power and energy (nvml_sim.c has the library).
 *
 * The file named by $NVML_SIM says everything (tests/nvml/sim.py writes it while this runs):
 *
 *   bytes 0-7  sequence number, odd while the text is being written (a seqlock)
 *   bytes 8-   text, one statement a line, a zero byte at the end:
 *     driver  580.1                                    the driver's version
 *     load    2                                        counts its reloads: after one, only nvmlInit works
 *     now     12.5                                     simulated clock in s; without it CLOCK_MONOTONIC
 *     gpu     <uuid> <name ...>                        a new GPU; the other statements name it by its number
 *     set     <gpu> <field> <number>                   one of the fields of Device (see FIELDS)
 *     segment <gpu> <from s> <energy J> <power W> <utilisation %> <power at its start W> <lag s>   ascending
 *     process <gpu> <pid> <memory B, -1: not available> <slice> <1: graphics>
 *     sm      <gpu> <pid> <from s> <SM use %>          ascending in time
 *     mig     <gpu> <uuid> <gpu instance> <compute instance> <gpu slices> <compute slices> <SMs> <memory B>
 *     pipe    <gpu> <slice, -1: whole> <nvmlGpmMetricId_t> <from s> <active %>   ascending in time
 *     error   <function> <nvmlReturn_t> <gpu, -1: any>
 *     hang    <function> <ms> <gpu, -1: any>
 *
 * In a segment the power goes from its start's to the set one, 1 - exp(-t / lag), so energy is an exact integral.
 * The counter shows the energy of its last refresh; refresh k comes at k steps plus a hash of k within the jitter.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 1 << 21, GPUS = 16, LOADS = 4, SEGMENTS = 16384, PROCESSES = 256, USES = 4096, FAULTS = 64, PIPES = 4096 };
enum { OK, UNINITIALIZED, INVALID, NOT_SUPPORTED, NOT_FOUND = 6, TOO_SMALL = 7, NOT_LOADED = 9 };

typedef struct { double from, joules, watts, busy, start_watts, lag; } Segment;
typedef struct { int gpu, pid; int64_t bytes; int slice, graphics; } Process;
typedef struct { int gpu, pid; double from, sm; } Use;
typedef struct { int gpu, slice, metric; double from, percent; } Pipe;
typedef struct { char function[64]; int code, ms, gpu; } Fault;
typedef struct Device {
    int index, slice;
    struct Device *parent;  /* of a MIG slice, else NULL */
    char uuid[96], name[96];
    double memory, used, step_ms, jitter_ms, distort_ms, offset_j, sample_ms, power_sample_ms, limit_w;
    double mig_slices, sm_each, gpm, cores, cc_major, cc_minor, sm_mhz, max_sm_mhz;
    unsigned gpu_instance, compute_instance, gpu_slices, compute_slices, sms;
    Segment *segments;
    int n_segments;
} Device;

static const struct { const char *name; size_t at; } FIELDS[] = {
    {"memory_bytes", offsetof(Device, memory)},     {"used_bytes", offsetof(Device, used)},
    {"step_ms", offsetof(Device, step_ms)},         {"jitter_ms", offsetof(Device, jitter_ms)},
    {"distort_ms", offsetof(Device, distort_ms)},   {"offset_j", offsetof(Device, offset_j)},
    {"sample_ms", offsetof(Device, sample_ms)},     {"power_sample_ms", offsetof(Device, power_sample_ms)},
    {"limit_w", offsetof(Device, limit_w)},         {"mig_slices", offsetof(Device, mig_slices)},
    {"sm_each", offsetof(Device, sm_each)},         {"gpm", offsetof(Device, gpm)},
    {"cores", offsetof(Device, cores)},             {"cc_major", offsetof(Device, cc_major)},
    {"cc_minor", offsetof(Device, cc_minor)},       {"sm_mhz", offsetof(Device, sm_mhz)},
    {"max_sm_mhz", offsetof(Device, max_sm_mhz)},
};

/* What reading has done to a counter: the joules that it lost, and what it showed last. */
typedef struct { double lost, read_at, refreshed_at, lost_then, shown; } Distortion;

static const volatile char *control;
static uint64_t seen;
static pid_t owner;  /* the process that initialised: NVML does not survive a fork */
static int users, load, load_at_start;
static Device banks[LOADS][GPUS], slice_banks[LOADS][GPUS];  /* a handle from before a reload is in another bank */
static Device *gpus = banks[0], *slices = slice_banks[0];
static Segment segments[GPUS][SEGMENTS];
static Process processes[PROCESSES];
static Use uses[USES];
static Pipe pipes[PIPES];
static Fault faults[FAULTS];
static Distortion distortions[GPUS];
static int n_gpus, n_slices, n_processes, n_uses, n_pipes, n_faults;
static char driver[64];
static double simulated_now;

/* The control file */

static Device *new_device(Device *bank, int *count, int index, Device *parent) {
    Device *d = &bank[(*count)++];
    memset(d, 0, sizeof *d);
    d->index = index, d->parent = parent;
    return d;
}

static void set_field(Device *d, const char *field, double value) {
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        if (!strcmp(FIELDS[i].name, field)) *(double *)((char *)d + FIELDS[i].at) = value;
}

static void add_slice(Device *parent, const char *args) {
    Device *d = new_device(slices, &n_slices, parent->index, parent);
    d->slice = 0;
    for (int i = 0; i < n_slices - 1; i++) d->slice += slices[i].parent == parent;
    sscanf(args, "%*d %95s %u %u %u %u %u %lf", d->uuid, &d->gpu_instance, &d->compute_instance, &d->gpu_slices,
           &d->compute_slices, &d->sms, &d->memory);
    snprintf(d->name, sizeof d->name, "%.80s MIG", parent->name);
}

static void of_gpu(const char *word, Device *d, const char *args) {
    if (!strcmp(word, "set")) {
        char field[32] = "";
        double value = 0;
        if (sscanf(args, "%*d %31s %lf", field, &value) == 2) set_field(d, field, value);
    } else if (!strcmp(word, "segment") && d->n_segments < SEGMENTS) {
        Segment *s = &d->segments[d->n_segments++];
        sscanf(args, "%*d %lf %lf %lf %lf %lf %lf", &s->from, &s->joules, &s->watts, &s->busy, &s->start_watts, &s->lag);
    } else if (!strcmp(word, "process") && n_processes < PROCESSES) {
        Process *p = &processes[n_processes++];
        sscanf(args, "%d %d %ld %d %d", &p->gpu, &p->pid, &p->bytes, &p->slice, &p->graphics);
    } else if (!strcmp(word, "sm") && n_uses < USES) {
        Use *u = &uses[n_uses++];
        sscanf(args, "%d %d %lf %lf", &u->gpu, &u->pid, &u->from, &u->sm);
    } else if (!strcmp(word, "pipe") && n_pipes < PIPES) {
        Pipe *p = &pipes[n_pipes++];
        sscanf(args, "%d %d %d %lf %lf", &p->gpu, &p->slice, &p->metric, &p->from, &p->percent);
    } else if (!strcmp(word, "mig") && n_slices < GPUS) {
        add_slice(d, args);
    }
}

static void statement(char *line) {
    char word[16] = "";
    int at = 0, gpu = -1;
    if (sscanf(line, "%15s %n", word, &at) < 1) return;
    const char *args = line + at;
    if (!strcmp(word, "driver")) {
        sscanf(args, "%63s", driver);
    } else if (!strcmp(word, "load")) {
        sscanf(args, "%d", &load);
        gpus = banks[load % LOADS], slices = slice_banks[load % LOADS];
    } else if (!strcmp(word, "now")) {
        sscanf(args, "%lf", &simulated_now);
    } else if (!strcmp(word, "gpu") && n_gpus < GPUS) {
        Device *d = new_device(gpus, &n_gpus, n_gpus, NULL);
        d->segments = segments[d->index];
        sscanf(args, "%95s %95[^\n]", d->uuid, d->name);
    } else if ((!strcmp(word, "error") || !strcmp(word, "hang")) && n_faults < FAULTS) {
        Fault *f = &faults[n_faults++];
        memset(f, 0, sizeof *f);
        sscanf(args, "%63s %d %d", f->function, word[0] == 'e' ? &f->code : &f->ms, &f->gpu);
    } else if (sscanf(args, "%d", &gpu) == 1 && gpu >= 0 && gpu < n_gpus) {
        of_gpu(word, &gpus[gpu], args);
    }
}

static void parse(char *text) {
    n_gpus = n_slices = n_processes = n_uses = n_pipes = n_faults = 0;
    simulated_now = NAN;
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
        size_t length = strnlen((const char *)control + 8, SIZE - 9);
        memcpy(text, (const char *)control + 8, length);
        text[length] = 0;
        __sync_synchronize();
    } while (*sequence != before);
    parse(text);
    seen = before;
}

/* What holds for every call: one thread at a time, as NVML may be called by several; a hang keeps nobody else out. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fresh_lock(void) { pthread_mutex_init(&lock, NULL); }
__attribute__((constructor)) static void begin(void) { pthread_atfork(NULL, NULL, fresh_lock); }

static void leave(int *code) {
    (void)code;
    pthread_mutex_unlock(&lock);
}

static const Fault *fault(const char *function, int gpu, int hang) {
    static const Fault none = {"", OK, 0, -1};
    for (int i = 0; i < n_faults; i++)
        if (!strcmp(faults[i].function, function) && (faults[i].gpu < 0 || faults[i].gpu == gpu) &&
            (hang ? faults[i].ms : faults[i].code))
            return &faults[i];
    return &none;
}

/* Takes the lock, which it gives away while it hangs. */
static void enter(const char *function, const Device *d) {
    pthread_mutex_lock(&lock);
    if (!control && !map_control()) return;
    refresh();
    int ms = fault(function, d ? d->index : -1, 1)->ms;
    if (!ms) return;
    pthread_mutex_unlock(&lock);
    usleep((useconds_t)ms * 1000);
    pthread_mutex_lock(&lock);
    refresh();
}

static int known(const Device *d) {
    return (d >= gpus && d < gpus + n_gpus) || (d >= slices && d < slices + n_slices);
}

static int refused(const char *function, const Device *d) {
    if (!users || owner != getpid() || load != load_at_start) return UNINITIALIZED;
    if (d && !known(d)) return INVALID;
    return fault(function, d ? d->index : -1, 0)->code;
}

#define ENTER(device) \
    int code __attribute__((cleanup(leave))) = (enter(__func__, device), refused(__func__, device)); \
    if (code) return code

/* The clock, power and energy */

static double now(void) {
    if (!isnan(simulated_now)) return simulated_now;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The last segment that begins by then, else the first. */
static const Segment *segment(const Device *d, double t) {
    static const Segment none = {0, 0, 0, 0, 0, 0};
    int low = 0, high = d->n_segments - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (d->segments[middle].from <= t) low = middle; else high = middle - 1;
    }
    return d->n_segments ? &d->segments[low] : &none;
}

static double energy_j(const Device *d, double t) {
    const Segment *s = segment(d, t);
    double length = t - s->from, lagging = s->lag > 0 && length > 0 ? s->lag * -expm1(-length / s->lag) : 0;
    return s->joules + s->watts * length + (s->start_watts - s->watts) * lagging;
}

static double power_w(const Device *d, double t) {
    const Segment *s = segment(d, t);
    return s->watts + (s->lag > 0 ? (s->start_watts - s->watts) * exp(-fmax(0, t - s->from) / s->lag) : 0);
}

/* -1 to 1, the same each time for the same refresh of the same GPU (splitmix64). */
static double noise(int64_t k, int gpu) {
    uint64_t z = (uint64_t)(k * GPUS + gpu) + 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (double)((z ^ (z >> 31)) >> 11) / (double)(1ull << 52) - 1.0;
}

/* The last refresh until then; the nudge keeps an instant on the grid from falling below it. */
static double refreshed(const Device *d, double t) {
    double step = d->step_ms / 1e3, jitter = d->jitter_ms / 1e3, newest = -INFINITY;
    if (step <= 0) return t;
    if (jitter <= 0) return floor(t / step + 1e-9) * step;
    int64_t last = (int64_t)floor((t + jitter) / step) + 1, first = (int64_t)floor((t - jitter) / step) - 1;
    for (int64_t k = first; k <= last; k++) {
        double at = k * step + jitter * noise(k, d->index);
        if (at <= t && at > newest) newest = at;
    }
    return newest;
}

/* A counter that each read robs of up to distort_ms of what was accumulated since the one before: of dt,
 * distort * (1 - exp(-dt / distort)) is lost, which fits an RTX 4090's four published losses (FACTS, section 4). */
static double distorted(const Device *d, double t, double at, double joules) {
    Distortion *x = &distortions[d->index];
    double limit = d->distort_ms / 1e3;
    if (!x->read_at) x->refreshed_at = at, x->shown = joules;
    if (x->read_at) x->lost += energy_j(d, t) - energy_j(d, t + limit * expm1(-(t - x->read_at) / limit));
    if (at != x->refreshed_at) x->refreshed_at = at, x->lost_then = x->lost;
    x->read_at = t;
    return x->shown = fmax(x->shown, joules - x->lost_then);
}
