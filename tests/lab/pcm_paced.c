/* An ALSA PCM without a sound card, paced by a clock as a card's crystal paces a card: what tests open in place of
 * one. README.md tells how it is used.
 *
 * pcm_type.paced { lib "/path/to/libasound_module_pcm_paced.so" }
 * pcm.line { type paced wire "/tmp/line" rate 48000 channels 2 ppm 200 }
 *
 * Keys: wire PATH (required; files PATH.playback and PATH.capture are made), rate HZ and channels N (what the "card"
 * has; 8000 to 48000 and 1 or 2 if left out), ppm N (how fast its crystal runs), ppm_playback N (how fast that of
 * playback runs, where it has one of its own).
 */
#define PIC
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define RING_FRAMES (1u << 18)
#define RING_CHANNELS 2
#define NS_PER_S 1000000000ull

/* One direction of a card, shared with whoever maps or reads the file. The frame that the card converts at time t
 * (CLOCK_MONOTONIC, in ns) lies at t * rate * (1 + ppm / 1e6) / 1e9, modulo the ring. */
struct wire {
    uint32_t xruns_wanted; /* each change of it makes a running stream overrun or underrun once */
    uint32_t gone;         /* not 0: the card has been pulled out */
    uint32_t opens;        /* counted here, and so is what follows */
    uint32_t xruns;
    uint32_t asleep;       /* not 0: the machine is suspended, for all that this card knows */
    uint32_t suspensions;  /* counted here */
    uint32_t reserved[10];
    int16_t samples[RING_FRAMES][RING_CHANNELS];
};

struct paced {
    snd_pcm_ioplug_t io;
    struct wire *wire;
    int timer;
    double ppm;
    int running;
    uint64_t start;       /* crystal's count at which the stream was started; before that, prepared */
    uint64_t moved;       /* frames that the application has written or read since */
    uint32_t xruns_seen;
    snd_pcm_uframes_t avail_min;
};

static int is_playback(const struct paced *p)
{
    return p->io.stream == SND_PCM_STREAM_PLAYBACK;
}

static double frames_per_ns(const struct paced *p)
{
    return p->io.rate * (1 + p->ppm * 1e-6) / (double)NS_PER_S;
}

/* What the crystal has counted since the machine was started. */
static uint64_t crystal(const struct paced *p)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)(((double)t.tv_sec * NS_PER_S + (double)t.tv_nsec) * frames_per_ns(p));
}

/* Lets poll() wake when avail_min frames can be moved, at once if they can be already. */
static void arm(struct paced *p)
{
    struct itimerspec when = {{0, 0}, {0, 0}};
    uint64_t due = p->start + p->moved + p->avail_min - (is_playback(p) ? p->io.buffer_size : 0);
    if (p->running) {
        /* One frame later than computed: a count rounded down must not wake it too early. */
        uint64_t at = (uint64_t)((double)(due + 1) / frames_per_ns(p));
        when.it_value.tv_sec = (time_t)(at / NS_PER_S);
        when.it_value.tv_nsec = (long)(at % NS_PER_S);
    } else if (is_playback(p) && p->moved + p->avail_min <= p->io.buffer_size) {
        when.it_value.tv_nsec = 1;
    }
    timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int paced_prepare(snd_pcm_ioplug_t *io)
{
    struct paced *p = io->private_data;
    if (p->wire->gone)
        return -ENODEV;
    if (p->wire->asleep)
        return -ESTRPIPE;
    p->running = 0;
    p->start = crystal(p);
    p->moved = 0;
    arm(p);
    return 0;
}

static int paced_start(snd_pcm_ioplug_t *io)
{
    struct paced *p = io->private_data;
    if (p->wire->gone)
        return -ENODEV;
    uint64_t start = crystal(p);
    /* What was written ahead is played from now on. */
    for (uint64_t i = is_playback(p) ? p->moved : 0; i-- > 0;)
        memcpy(p->wire->samples[(start + i) % RING_FRAMES], p->wire->samples[(p->start + i) % RING_FRAMES],
               sizeof p->wire->samples[0]);
    p->start = start;
    p->xruns_seen = p->wire->xruns_wanted;
    p->running = 1;
    arm(p);
    return 0;
}

/* Like a driver whose card forgets all in its sleep: not yet, and then only from the beginning. */
static int paced_resume(snd_pcm_ioplug_t *io)
{
    struct paced *p = io->private_data;
    return p->wire->asleep ? -EAGAIN : -ENOSYS;
}

static int paced_stop(snd_pcm_ioplug_t *io)
{
    struct paced *p = io->private_data;
    p->running = 0;
    arm(p);
    return 0;
}

static snd_pcm_sframes_t paced_pointer(snd_pcm_ioplug_t *io)
{
    struct paced *p = io->private_data;
    uint64_t converted = p->running ? crystal(p) - p->start : 0;
    if (p->wire->gone) {
        /* An error returned here would mean an xrun. */
        snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
        p->running = 0;
        return (snd_pcm_sframes_t)(converted % io->buffer_size);
    }
    if (p->running && p->wire->asleep) {
        /* Nothing moves any more, and what there is to be read cannot be. */
        snd_pcm_ioplug_set_state(io, SND_PCM_STATE_SUSPENDED);
        p->running = 0;
        __atomic_fetch_add(&p->wire->suspensions, 1, __ATOMIC_RELAXED);
        return (snd_pcm_sframes_t)(p->moved % io->buffer_size);
    }
    if (p->running && (p->xruns_seen != p->wire->xruns_wanted ||
                       converted > p->moved + (is_playback(p) ? 0 : io->buffer_size))) {
        p->running = 0;
        __atomic_fetch_add(&p->wire->xruns, 1, __ATOMIC_RELAXED);
        return -EPIPE;
    }
    return (snd_pcm_sframes_t)(converted % io->buffer_size);
}

static snd_pcm_sframes_t paced_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                        snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    struct paced *p = io->private_data;
    if (p->wire->gone)
        return -ENODEV;
    for (snd_pcm_uframes_t i = 0; i < size; i++) {
        int16_t *frame = p->wire->samples[(p->start + p->moved + i) % RING_FRAMES];
        for (unsigned channel = 0; channel < io->channels; channel++) {
            const snd_pcm_channel_area_t *area = &areas[channel];
            int16_t *sample = (int16_t *)((char *)area->addr + (area->first + area->step * (offset + i)) / 8);
            if (is_playback(p)) {
                frame[channel] = *sample;
            } else {
                *sample = frame[channel];
                /* Taken, or it would come again when the ring is around. */
                frame[channel] = 0;
            }
        }
    }
    p->moved += size;
    arm(p);
    return (snd_pcm_sframes_t)size;
}

static int paced_sw_params(snd_pcm_ioplug_t *io, snd_pcm_sw_params_t *params)
{
    struct paced *p = io->private_data;
    return snd_pcm_sw_params_get_avail_min(params, &p->avail_min);
}

static int paced_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int n, unsigned short *revents)
{
    struct paced *p = io->private_data;
    unsigned short ready = is_playback(p) ? POLLOUT : POLLIN;
    snd_pcm_sframes_t avail = snd_pcm_avail_update(io->pcm);
    (void)fds;
    (void)n;
    if (avail < 0)
        *revents = POLLERR | ready;
    else if ((snd_pcm_uframes_t)avail >= p->avail_min)
        *revents = ready;
    else {
        *revents = 0;
        arm(p);
    }
    return 0;
}

static void release(struct paced *p)
{
    if (p->timer >= 0)
        close(p->timer);
    munmap(p->wire, sizeof *p->wire);
    free(p);
}

static int paced_close(snd_pcm_ioplug_t *io)
{
    release(io->private_data);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = paced_start,
    .stop = paced_stop,
    .resume = paced_resume,
    .prepare = paced_prepare,
    .pointer = paced_pointer,
    .transfer = paced_transfer,
    .sw_params = paced_sw_params,
    .poll_revents = paced_revents,
    .close = paced_close,
};

static struct wire *open_wire(const char *path, snd_pcm_stream_t stream)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.%s", path, stream == SND_PCM_STREAM_PLAYBACK ? "playback" : "capture");
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    void *wire = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct wire)) == 0)
        wire = mmap(NULL, sizeof(struct wire), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    return wire == MAP_FAILED ? NULL : wire;
}

static int limit(snd_pcm_ioplug_t *io, int parameter, long only, unsigned int least, unsigned int most)
{
    return snd_pcm_ioplug_set_param_minmax(io, parameter, only ? (unsigned int)only : least,
                                           only ? (unsigned int)only : most);
}

static int constrain(snd_pcm_ioplug_t *io, long rate, long channels)
{
    static const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
    static const unsigned int format[] = {SND_PCM_FORMAT_S16_LE};
    int err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, format);
    if (err >= 0)
        err = limit(io, SND_PCM_IOPLUG_HW_CHANNELS, channels, 1, RING_CHANNELS);
    if (err >= 0)
        err = limit(io, SND_PCM_IOPLUG_HW_RATE, rate, 8000, 48000);
    if (err >= 0)
        err = limit(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 0, 32, 16384);
    if (err >= 0)
        err = limit(io, SND_PCM_IOPLUG_HW_PERIODS, 0, 2, 64);
    return err;
}

SND_PCM_PLUGIN_DEFINE_FUNC(paced)
{
    const char *path = NULL;
    long rate = 0, channels = 0, ppm = 0, ppm_playback = LONG_MAX;
    snd_config_iterator_t i, next;
    (void)root;
    snd_config_for_each(i, next, conf) {
        snd_config_t *entry = snd_config_iterator_entry(i);
        const char *key;
        if (snd_config_get_id(entry, &key) < 0)
            continue;
        if (!strcmp(key, "wire"))
            snd_config_get_string(entry, &path);
        else if (!strcmp(key, "rate"))
            snd_config_get_integer(entry, &rate);
        else if (!strcmp(key, "channels"))
            snd_config_get_integer(entry, &channels);
        else if (!strcmp(key, "ppm"))
            snd_config_get_integer(entry, &ppm);
        else if (!strcmp(key, "ppm_playback"))
            snd_config_get_integer(entry, &ppm_playback);
        else if (strcmp(key, "type") && strcmp(key, "comment") && strcmp(key, "hint"))
            return -EINVAL;
    }
    if (!path)
        return -EINVAL;
    struct wire *wire = open_wire(path, stream);
    if (!wire)
        return -errno;
    struct paced *p = calloc(1, sizeof *p);
    if (!p || wire->gone) {
        int err = p ? -ENODEV : -ENOMEM;
        free(p);
        munmap(wire, sizeof *wire);
        return err;
    }
    p->wire = wire;
    p->ppm = (double)(stream == SND_PCM_STREAM_PLAYBACK && ppm_playback != LONG_MAX ? ppm_playback : ppm);
    p->avail_min = 1;
    p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    p->io.version = SND_PCM_IOPLUG_VERSION;
    p->io.name = "paced";
    p->io.callback = &callbacks;
    p->io.private_data = p;
    p->io.poll_fd = p->timer;
    p->io.poll_events = POLLIN;
    int err = snd_pcm_ioplug_create(&p->io, name, stream, mode);
    if (err < 0) {
        release(p);
        return err;
    }
    err = constrain(&p->io, rate, channels);
    if (err < 0) {
        snd_pcm_ioplug_delete(&p->io);
        return err;
    }
    __atomic_fetch_add(&wire->opens, 1, __ATOMIC_RELAXED);
    *pcmp = p->io.pcm;
    return 0;
}

SND_PCM_PLUGIN_SYMBOL(paced);
