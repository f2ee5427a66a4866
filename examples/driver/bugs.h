/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that real drivers had (or that nobody has reported yet), each of which can be made again; the tests' part, not the driver's.
 *
 * make -C examples/driver builds the driver, and each row as a variant of it with -DBUG=BUG_name (of the one in
 * more/, if it is only there that it can be made). The driver itself is what is left without a single bug(): the
 * compiler removes them.
 *
 * A row: its name; the rule that it breaks; who had it (a public thread or commit); how the variant is run, for
 * check.sh: "up", the driver goes up and down and needs no traffic; "peer", frames come from outside; then, after
 * a space, what is added to features=default. "provoke NAME" has the device do that: then it is this that the driver
 * does not bear, or the rule.
 */
#ifndef EXAMPLE_BUGS_H
#define EXAMPLE_BUGS_H

/* clang-format off */
#define BUGS(X) \
	X(no_reset,           "init.reset-first",              "Solo5/solo5#491",                       "up") \
	X(reset_not_awaited,  "reset.wait-for-zero",           "zephyrproject-rtos/zephyr#115151",      "up") \
	X(status_one_bit,     "status.no-clear-bit",           "rcore-os/virtio-drivers#24",            "up") \
	X(features_unread,    "init.reread-features-ok",       "asterinas/asterinas#3465",              "up") \
	X(refusal_ignored,    "init.stop-after-failure",       "firecracker-microvm/firecracker#3074",  "up") \
	X(no_version_1,       "feat.accept-version-1",         "rcore-os/virtio-drivers#196",           "up") \
	X(no_ctrl_vq,         "feat.deps",                     "hermit-os/kernel#1681",                 "up") \
	X(queues_too_early,   "init.setup-after-negotiation",  "hermit-os/kernel#1729",                 "up") \
	X(queues_too_late,    "init.drvok-last",               "nanovms/nanos#587",                     "up") \
	X(early_kick,         "init.no-kick-before-drvok",     "asterinas/asterinas#3465",              "up") \
	X(size_not_asked,     "mmio.qsize-le-max",             "au-ts/sddf#769",                        "up") \
	X(max_before_select,  "mmio.queuesel-first",           "RT-Thread/rt-thread#11106",             "up") \
	X(narrow_register,    "mmio.control-32bit",            "ipxe/ipxe#1028",                        "up") \
	X(wide_mac,           "mmio.config-width",             "apache/nuttx#11485",                    "up") \
	X(no_generation,      "cfg.generation-loop",           "penberg/manticore#41",                  "up") \
	X(status_not_offered, "cfg.check-feature-first",       "virtio-win/kvm-guest-drivers-windows#293", "up -status") \
	X(unexpose_first,     "cleanup.reset-before-unexpose", "virtio-win/kvm-guest-drivers-windows#214", "up") \
	X(free_list,          "split.head-not-outstanding",    "asterinas/asterinas@349d7ba",           "up -indirect_desc") \
	X(index_for_head,     "split.head-in-range",           "asterinas/asterinas@0ba24e9",           "peer") \
	X(index_modulo,       "split.avail-idx-no-decrement",  "Solo5/solo5#98",                        "peer -indirect_desc") \
	X(empty_piece,        "split.desc-nonempty",           "rcore-os/virtio-drivers#103",           "peer") \
	X(short_header,       "net.hdr-12-bytes",              "CTSRD-CHERI/cheribsd#468",              "peer -mrg_rxbuf") \
	X(small_buffers,      "net.rx-buf-big",                "cloudius-systems/osv#1058",             "up -mrg_rxbuf") \
	X(no_kick,            "notif.must-kick",               "rcore-os/virtio-drivers#54",            "peer -event_idx") \
	X(kick_if_equal,      "event_idx.must-kick",           "hermit-os/kernel#1274",                 "peer") \
	X(event_stands,       "event_idx.used-event-progress", "rcore-os/virtio-drivers#121",           "peer") \
	X(checksums_trusted,  "net.rx-no-trust-csum",          "hermit-os/kernel#2521",                 "provoke bad-checksums") \
	X(config_fatal,       "notif.handle-spurious",         "hermit-os/kernel#2464",                 "provoke config-irq") \
	X(one_bit,            "mmio.irq-both-bits",            "asterinas/asterinas#2493",              "provoke both-bits") \
	X(fifo_assumed,       "used.any-order",                "SerenityOS/serenity#26513",             "provoke reorder") \
	X(no_recheck,         "notif.recheck-after-enable",    "none reported yet",                     "provoke kick-race -event_idx") \
	X(one_queue,          "mmio.irq-all-queues",           "none reported yet",                     "provoke one-interrupt -event_idx") \
	X(batch_ignored,      "inorder.batch-used",            "none reported yet",                     "provoke batches +in_order") \
	X(no_ack,             "mmio.intack-handled",           "hermit-os/kernel#2231",                 "peer") \
	X(status_unread,      "mmio.irq-read-status",          "none reported yet",                     "peer") \
	X(ring_not_zeroed,    "packed.zero-init",              "hermit-os/kernel#1314",                 "up +packed") \
	X(id_in_head,         "packed.id-in-last",             "hermit-os/kernel#1329",                 "up +packed-indirect_desc") \
	X(event_wrap,         "event_idx.must-kick",           "hermit-os/kernel#1274",                 "peer +packed")
/* clang-format on */

#define BUG_NAME(name, ...) BUG_##name,
enum bug { BUG_none, BUGS(BUG_NAME) };
#undef BUG_NAME

#ifndef BUG
#define BUG BUG_none
#endif

#define bug(name) ((enum bug)BUG == BUG_##name)

#endif
