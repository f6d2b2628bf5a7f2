/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton bus monitor: the log and the clock for the host */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "system/cpu-timers.h"
#include "system/runstate.h"
#include "baton-monitor.h"

#define LOG_BUFFER_SIZE (1024 * 1024)

static void end_log(MonitorHost *host)
{
    error_report("bus monitor: the log '%s' is incomplete: %s",
                 host->log_name, strerror(errno));
    fclose(g_steal_pointer(&host->log));
}

static void write_record(MonitorHost *host, const BatonLogRecord *record)
{
    if (host->log && fwrite(record, sizeof(*record), 1, host->log) != 1) {
        end_log(host);
    }
}

void monitor_host_log(MonitorHost *host, BatonLogRecord record)
{
    if (host->log) {
        record.seq = host->seq++;
        host->records++;
        write_record(host, &record);
    }
}

/* Forget all records but the first @kept. */
static void truncate_log(BatonMonitorState *s, uint64_t kept)
{
    MonitorHost *host = &s->host;
    off_t end = (1 + s->num_ports + kept) * sizeof(BatonLogRecord);

    host->records = kept;
    if (fseeko(host->log, end, SEEK_SET) ||
        ftruncate(fileno(host->log), end)) {
        end_log(host);
    }
}

/* The state was saved before record host.seq, which may be in the log. */
void monitor_host_rewind_log(BatonMonitorState *s)
{
    MonitorHost *host = &s->host;
    uint64_t kept = host->seq - host->first;

    if (kept > host->records) {     /* or before the log's first record */
        kept = 0;
    }
    host->first = host->seq - kept;
    if (host->log && kept != host->records) {
        truncate_log(s, kept);
    }
}

void monitor_host_set_interval(MonitorHost *host, uint32_t interval)
{
    if (host->clock) {
        qatomic_store_release(&host->clock->interval, interval);
    }
}

/* Whoever stops the machine may read the log. */
static void flush_log(void *opaque, bool running, RunState state)
{
    MonitorHost *host = opaque;

    if (host->log && fflush(host->log)) {
        end_log(host);
    }
}

static BatonLogRecord name_record(unsigned master, const char *name,
                                  size_t size)
{
    BatonLogRecord record = { .kind = BATON_LOG_NAME, .master = master };

    memcpy(&record.a, name, size);
    return record;
}

static void write_names(BatonMonitorState *s)
{
    BatonLogRecord first = name_record(BATON_MONITOR_NO_MASTER,
                                       TYPE_BATON_MONITOR,
                                       sizeof(TYPE_BATON_MONITOR));

    first.d = icount_enabled() != 0;
    first.e = BATON_LOG_VERSION;
    write_record(&s->host, &first);
    for (unsigned i = 0; i < s->num_ports; i++) {
        BatonLogRecord record = name_record(i, s->ports[i].name,
                                            sizeof(s->ports[i].name));

        write_record(&s->host, &record);
    }
}

static bool open_log(BatonMonitorState *s, Error **errp)
{
    MonitorHost *host = &s->host;

    host->log = fopen(host->log_name, "wb");
    if (!host->log) {
        error_setg_file_open(errp, errno, host->log_name);
        return false;
    }
    setvbuf(host->log, NULL, _IOFBF, LOG_BUFFER_SIZE);
    write_names(s);
    qemu_add_vm_change_state_handler(flush_log, host);
    return true;
}

static bool open_clock(MonitorHost *host, Error **errp)
{
    int fd = qemu_create(host->clock_name, O_RDWR, 0666, errp);

    if (fd < 0) {
        return false;
    }
    if (ftruncate(fd, BATON_CLOCK_SIZE) == 0) {
        host->clock = mmap(NULL, BATON_CLOCK_SIZE, PROT_READ | PROT_WRITE,
                           MAP_SHARED, fd, 0);
    }
    close(fd);
    if (!host->clock || host->clock == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map '%s'", host->clock_name);
        host->clock = NULL;
        return false;
    }
    monitor_host_set_interval(host, 0);
    memcpy(host->clock->magic, BATON_CLOCK_MAGIC, sizeof(host->clock->magic));
    return true;
}

bool monitor_host_open(BatonMonitorState *s, Error **errp)
{
    return (!s->host.log_name || open_log(s, errp)) &&
           (!s->host.clock_name || open_clock(&s->host, errp));
}
