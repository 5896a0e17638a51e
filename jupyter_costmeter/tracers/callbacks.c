/* What CUPTI calls while it holds its own locks: it may never wait for Python's interpreter lock.
 *
 * Compiled once per processor into the bytes in native.py, by tests/cupti/build.py, whose test
 * compiles it anew and runs the same checks on both. No library, no relocation, no allocation, no
 * lock: a table of buffers that was made beforehand, one atomic operation per call, and write(2)
 * on an eventfd that wakes our thread.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

enum { FREE, LENT, FULL };                       /* a buffer is ours, CUPTI's, ours to be read */
enum { MEMSET = 2, CONCURRENT_KERNEL = 10, DONE = 0 };

struct slot { u64 state, valid, serial; };       /* serial: the how-manieth request it was lent for */

struct pool {                                    /* native.py: Pool */
    u8 *base;
    u64 size, count;
    long (*write)(int, const void *, u64);
    u64 fd, one, asked, refused, context, stream;
    struct slot slots[];
};

struct rows {                                    /* native.py: Rows; the columns are the caller's */
    u64 *starts, *ends, *places;                 /* kernels: ns, ns, device << 32 | correlation id */
    u64 *sizes, *marks;                          /* our memsets: bytes, correlation id */
    u64 room, kernels, marked, unknown;          /* unknown: kernels without times */
};

/* The pool's address stands before the code; native.py fills it in. */
__asm__(".text\n.balign 16\nwhere: .quad 0, 0\n");

static inline struct pool *find(void) {
    struct pool **place;
#ifdef __x86_64__
    __asm__("lea where(%%rip), %0" : "=r"(place));
#else
    __asm__("adr %0, where" : "=r"(place));
#endif
    return *place;
}

void costmeter_request(u8 **buffer, u64 *size, u64 *records) {
    struct pool *pool = find();
    *buffer = 0, *size = 0, *records = 0;        /* none: CUPTI drops records and counts them */
    for (u64 i = 0; i < pool->count; i++) {
        u64 state = FREE;
        struct slot *slot = &pool->slots[i];
        if (__atomic_compare_exchange_n(&slot->state, &state, LENT, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            slot->serial = __atomic_fetch_add(&pool->asked, 1, __ATOMIC_ACQ_REL);
            *buffer = pool->base + i * pool->size;
            *size = pool->size;
            return;
        }
    }
    __atomic_fetch_add(&pool->refused, 1, __ATOMIC_RELAXED);
}

void costmeter_complete(void *context, u32 stream, u8 *buffer, u64 size, u64 valid) {
    struct pool *pool = find();
    (void)context, (void)stream, (void)size;
    if (buffer < pool->base || buffer >= pool->base + pool->count * pool->size)
        return;                                  /* not ours, or none */
    struct slot *slot = &pool->slots[(u64)(buffer - pool->base) / pool->size];
    slot->valid = valid;
    __atomic_store_n(&slot->state, FULL, __ATOMIC_RELEASE);
    pool->write((int)pool->fd, &pool->one, sizeof pool->one);
}

static inline u32 word(const u8 *record, u64 at) { return *(const u32 *)(record + at); }
static inline u64 wide(const u8 *record, u64 at) { return *(const u64 *)(record + at); }

/* Off the user's path, without the interpreter lock: a full buffer's records into columns, and the
 * buffer back into the pool. The offsets are those of CUpti_ActivityKernel4 to 13 and
 * CUpti_ActivityMemset to 5. */
void costmeter_read(int (*next)(u8 *, u64, u8 **), u64 index, struct rows *rows) {
    struct pool *pool = find();
    struct slot *slot = &pool->slots[index];
    u8 *buffer = pool->base + index * pool->size, *record = 0;
    u64 valid = slot->valid;
    rows->kernels = rows->marked = rows->unknown = 0;
    while (valid && rows->kernels < rows->room && next(buffer, valid, &record) == DONE) {
        u64 start = wide(record, 16), end = wide(record, 24);
        if (word(record, 0) == CONCURRENT_KERNEL) {
            if (!start || end < start) {
                rows->unknown++;
                continue;
            }
            u64 n = rows->kernels++;
            rows->starts[n] = start;
            rows->ends[n] = end;
            rows->places[n] = (u64)word(record, 40) << 32 | word(record, 92);
        } else if (word(record, 0) == MEMSET && word(record, 36) == pool->context && word(record, 40) == pool->stream
                   && rows->marked < rows->room) {
            u64 n = rows->marked++;
            rows->sizes[n] = wide(record, 8);
            rows->marks[n] = word(record, 44);
        }
    }
    slot->valid = 0;
    __atomic_store_n(&slot->state, FREE, __ATOMIC_RELEASE);
}
