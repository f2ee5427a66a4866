/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/rows_micro.h"

#include "bench/cmd/cost.h"
#include "bench/cmd/micro.h"
#include "bench/cmd/ring.h"
#include "vmm/core/compiler.h"

/* ---- what they are told */

static const struct micro_start none = {.net = "none"}, none_end = {.net = "none", .end = true};
static const struct micro_start user = {.net = "user"}, user_end = {.net = "user", .end = true};
static const struct micro_start tap = {.net = "tap", .tap = true},
				tap_end = {.net = "tap", .tap = true, .end = true};

static const struct micro_create create_64 = {.mem = "64M"}, drop_64 = {.mem = "64M", .drop = true};
static const struct micro_create create_256 = {.mem = "256M"},
				 drop_256 = {.mem = "256M", .drop = true};

static const struct micro_boot doorbell = {MICRO_DOORBELL}, qemu = {MICRO_QEMU},
			       tuned = {MICRO_QEMU_TUNED};

static const int another_thread;

#define RING(how, layout, writes, nr, bytes)           \
	(&(const struct ring_work){.step = (how),      \
	                           .packed = (layout), \
	                           .in = (writes),     \
	                           .pieces = (nr),     \
	                           .len = (bytes)})
#define SPLIT  false
#define PACKED true

/* ---- the rows */

#define ROW(row_name, duration, fn, able, argument, text)                             \
	{                                                                             \
		.name = (row_name), .set = "micro", .what = (text), .ms = (duration), \
		.can = (able), .measure = (fn), .arg = (argument)                     \
	}
#define ROW_AGAINST(row_name, other, duration, fn, able, argument, text)                \
	{                                                                               \
		.name = (row_name), .set = "micro", .what = (text), .against = (other), \
		.ms = (duration), .can = (able), .measure = (fn), .arg = (argument)     \
	}
/* One process from its start to its end: --quick makes none shorter. */
#define PROCESS(row_name, duration, fn, able, argument, text)                         \
	{                                                                             \
		.name = (row_name), .set = "micro", .what = (text), .ms = (duration), \
		.whole = true, .can = (able), .measure = (fn), .arg = (argument)      \
	}
#define PROCESS_AGAINST(row_name, other, duration, fn, able, argument, text)                       \
	{                                                                                          \
		.name = (row_name), .set = "micro", .what = (text), .against = (other),            \
		.ms = (duration), .whole = true, .can = (able), .measure = (fn), .arg = (argument) \
	}
#define COST(row_name, id, text) \
	ROW(row_name, 50, micro_cost, micro_can_cost, (const void *)(uintptr_t)(id), text)

/* Of a packed ring against the same of a split one. */
#define RINGS(row_name, how, writes, nr, bytes, text)                                              \
	ROW("ring/" row_name "/split", 50, micro_ring, NULL, RING(how, SPLIT, writes, nr, bytes),  \
	    text ", split ring"),                                                                  \
		ROW_AGAINST("ring/" row_name "/packed", "ring/" row_name "/split", 50, micro_ring, \
	                    NULL, RING(how, PACKED, writes, nr, bytes), text ", packed ring")

static const struct bench_row rows[] = {
	COST("cost/syscall", COST_SYSCALL, "a system call that does nothing"),
	COST("cost/wakeup-same", COST_WAKEUP_SAME, "an eventfd wakes a thread on the same CPU"),
	COST("cost/wakeup-other", COST_WAKEUP_OTHER, "an eventfd wakes a thread on another CPU"),
	COST("cost/tap-write", COST_TAP_WRITE, "a frame is written to a TAP, and dropped"),
	COST("cost/copy-64k", COST_COPY, "memcpy() of 64 KiB"),

	PROCESS("start/none", 40, micro_start, micro_can_start, &none,
                "exec to first KVM_RUN, no NIC"),
	PROCESS("start/user", 40, micro_start, micro_can_start, &user,
                "exec to first KVM_RUN, --net user"),
	PROCESS("start/tap", 60, micro_start, micro_can_start, &tap,
                "exec to first KVM_RUN, --net tap"),
	PROCESS("end/none", 40, micro_start, micro_can_start, &none_end,
                "guest's last act to end of process, no NIC"),
	PROCESS("end/user", 40, micro_start, micro_can_start, &user_end,
                "guest's last act to end of process, --net user"),
	PROCESS("end/tap", 60, micro_start, micro_can_start, &tap_end,
                "guest's last act to end of process, --net tap"),
	PROCESS("memory/user", 40, micro_memory, micro_can_start, &user,
                "private memory beside the guest's, at rest, --net user"),
	PROCESS("memory/tap", 60, micro_memory, micro_can_start, &tap,
                "private memory beside the guest's, at rest, --net tap"),
	PROCESS("boot/qemu-microvm", 4000, micro_boot, micro_can_boot, &qemu,
                "exec to init, QEMU microvm as it comes"),
	PROCESS_AGAINST("boot/qemu-microvm-tuned", "boot/qemu-microvm", 1000, micro_boot,
                        micro_can_boot, &tuned, "exec to init, QEMU microvm at its fastest"),
	PROCESS_AGAINST("boot/doorbell", "boot/qemu-microvm-tuned", 1000, micro_boot,
                        micro_can_boot, &doorbell, "exec to init, doorbell"),
	PROCESS("boot-memory/qemu-microvm", 1000, micro_boot_memory, micro_can_boot, &tuned,
                "private memory beside the guest's, at init, QEMU microvm"),
	PROCESS_AGAINST("boot-memory/doorbell", "boot-memory/qemu-microvm", 1000, micro_boot_memory,
                        micro_can_boot, &doorbell,
                        "private memory beside the guest's, at init, doorbell"),

	ROW("vm/create/64m", 100, micro_create, micro_can_vm, &create_64,
            "a machine with 64 MiB and a NIC"),
	ROW("vm/drop/64m", 100, micro_create, micro_can_vm, &drop_64,
            "the end of one with 64 MiB and a NIC"),
	ROW("vm/create/256m", 100, micro_create, micro_can_vm, &create_256,
            "a machine with 256 MiB and a NIC"),
	ROW("vm/drop/256m", 100, micro_create, micro_can_vm, &drop_256,
            "the end of one with 256 MiB and a NIC"),

	ROW("trip/echo", 200, micro_trip, micro_can_vm, NULL,
            "notify, backend echoes a frame, interrupt: there and back"),
	ROW("vcpu/exit", 50, micro_exit, micro_can_vm, NULL,
            "one exit to userspace, there and back"),
	ROW("vcpu/stop", 100, micro_stop, micro_can_vm, NULL,
            "a vCPU that runs is asked to stop, until it has"),
	ROW("vcpu/run", 50, micro_run, micro_can_vm, NULL,
            "KVM_RUN of a guest that leaves at once"),
	ROW_AGAINST("vcpu/hand-over", "vcpu/run", 100, micro_run, micro_can_vm, &another_thread,
                    "the same, each time on another thread"),

	RINGS("request", RING_REQUEST, false, 1, 64, "a request of 1 buffer, both sides"),
	RINGS("request-3", RING_REQUEST, false, 3, 64, "a request of 3 buffers, both sides"),
	RINGS("pop", RING_POP, false, 1, 64, "pop of a chain of 1 buffer"),
	RINGS("pop-16", RING_POP, false, 16, 64, "pop of a chain of 16 buffers"),
	RINGS("publish", RING_PUBLISH, false, 1, 64, "push and publish, 256 at once"),
	RINGS("read-8k", RING_COPY, false, 2, 4096, "a request of 8 KiB, read by the device"),
	RINGS("read-64k", RING_COPY, false, 16, 4096, "a request of 64 KiB, read by the device"),
	RINGS("read-256k", RING_COPY, false, 64, 4096, "a request of 256 KiB, read by the device"),
	RINGS("write-8k", RING_COPY, true, 2, 4096, "a request of 8 KiB, written by the device"),
	RINGS("write-64k", RING_COPY, true, 16, 4096, "a request of 64 KiB, written by the device"),
	RINGS("write-256k", RING_COPY, true, 64, 4096,
              "a request of 256 KiB, written by the device"),
	ROW("translate", 50, micro_translate, NULL, (const void *)(uintptr_t)1500,
            "a guest-physical address of 1500 bytes to a pointer"),
};

const struct bench_rows rows_micro = {.row = rows, .nr = ARRAY_SIZE(rows)};
