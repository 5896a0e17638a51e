/* A part of nvml_sim.c: GPUs' sizes and clocks, and GPM, the samples of their pipes' activity. */

/* Size and clocks */

int nvmlDeviceGetCudaComputeCapability(Device *d, int *major, int *minor) {
    ENTER(d);
    *major = (int)d->cc_major, *minor = (int)d->cc_minor;
    return OK;
}

int nvmlDeviceGetNumGpuCores(Device *d, unsigned *cores) {
    ENTER(d);
    if (d->parent) return NOT_SUPPORTED;
    *cores = (unsigned)d->cores;
    return OK;
}

static int clock_mhz(const Device *d, unsigned type, double mhz, unsigned *found) {
    if (d->parent || type != SM_CLOCK) return NOT_SUPPORTED;
    *found = (unsigned)mhz;
    return OK;
}

int nvmlDeviceGetClockInfo(Device *d, unsigned type, unsigned *mhz) {
    ENTER(d);
    return clock_mhz(d, type, d->sm_mhz, mhz);
}

int nvmlDeviceGetMaxClockInfo(Device *d, unsigned type, unsigned *mhz) {
    ENTER(d);
    return clock_mhz(d, type, d->max_sm_mhz, mhz);
}

/* GPM: samples of the pipes' activity */

typedef struct { const Device *device; int slice; double at; } GpmSample;
typedef struct { unsigned version, supported; } GpmSupport;
typedef struct { unsigned id; int code; double value; const char *names[3]; } GpmMetric;
typedef struct { unsigned version, count; GpmSample *first, *second; GpmMetric metrics[]; } GpmQuery;

static int n_samples;

/* No function of NVML: how many samples nobody has given back. */
int nvmlSimGpmSamples(void) { return n_samples; }

int nvmlGpmQueryDeviceSupport(Device *d, GpmSupport *support) {
    ENTER(d);
    if (support->version != 1) return INVALID;
    support->supported = d->gpm > 0;
    return OK;
}

int nvmlGpmSampleAlloc(GpmSample **sample) {
    ENTER(NULL);
    *sample = calloc(1, sizeof **sample);
    n_samples++;
    return OK;
}

int nvmlGpmSampleFree(GpmSample *sample) {
    ENTER(NULL);
    if (!sample) return INVALID;
    free(sample);
    n_samples--;
    return OK;
}

int nvmlGpmSampleGet(Device *d, GpmSample *sample) {
    ENTER(d);
    if (d->gpm <= 0 || d->parent || in_mig_mode(d)) return NOT_SUPPORTED;
    *sample = (GpmSample){d, -1, now()};
    return OK;
}

/* Of a GPU instance, whichever of its compute instances is asked with. */
int nvmlGpmMigSampleGet(Device *d, unsigned gpu_instance, GpmSample *sample) {
    ENTER(d);
    if (d->gpm <= 0 || d->parent) return NOT_SUPPORTED;
    for (int i = 0; i < n_slices; i++)
        if (slices[i].parent == d && slices[i].gpu_instance == gpu_instance)
            return *sample = (GpmSample){d, slices[i].slice, now()}, OK;
    return NOT_FOUND;
}

/* The mean percent of a pipe's activity; one that nobody spoke of is idle. */
static double active(const GpmSample *first, const GpmSample *second, int metric) {
    double sum = 0, since = first->at, percent = 0;
    for (int i = 0; i < n_pipes; i++) {
        const Pipe *p = &pipes[i];
        if (p->gpu != first->device->index || p->slice != first->slice || p->metric != metric) continue;
        double from = fmin(fmax(p->from, first->at), second->at);
        sum += percent * (from - since), since = from, percent = p->percent;
    }
    return (sum + percent * (second->at - since)) / (second->at - first->at);
}

/* Below 0.1 s a real driver gives numbers that are not valid: here, 100 %. */
int nvmlGpmMetricsGet(GpmQuery *query) {
    GpmSample *first = query->first, *second = query->second;
    ENTER(first ? first->device : NULL);
    if (query->version != 1 || !first || !second || !first->device) return INVALID;
    if (first->device != second->device || first->slice != second->slice) return INVALID;
    for (unsigned i = 0; i < query->count; i++) {
        GpmMetric *m = &query->metrics[i];
        char name[32];
        snprintf(name, sizeof name, "gpm_metric_%u", m->id);
        m->code = fault(name, first->device->index, 0)->code;
        m->value = second->at - first->at < 0.0999 ? 100.0 : active(first, second, (int)m->id);
    }
    return OK;
}
