// SPDX-License-Identifier: Apache-2.0
/* What can be provoked, and what cannot, with the reason. Numbers are those of the list in the notes on the clauses. */
#include <errno.h>
#include <string.h>

#include "check/provoke.h"
#include "check/rule.h"
#include "vmm/core/compiler.h"

#define LEGAL     PROVOKE_LEGAL
#define RARE      PROVOKE_RARE
#define ILLEGAL   PROVOKE_ILLEGAL
#define HARDENING PROVOKE_HARDENING
#define BOOT      PROVOKE_AT_BOOT
#define ROUND     PROVOKE_ROUND

/* clang-format off */
const struct provocation provocations[NR_PROVOCATIONS] = {
	[P_STRICT_STATUS] = {"strict-status", 1, LEGAL, BOOT,
		"a write of Status that takes two steps at once has no effect", "init.steps-one-by-one"},
	[P_DIRTY_HANDOVER] = {"dirty-handover", 2, LEGAL, BOOT,
		"as firmware may leave it: status and selectors set, queues ready, an interrupt pending", "init.reset-first"},
	[P_STRICT_FEATURES] = {"strict-features", 3, LEGAL, BOOT,
		"FEATURES_OK is refused without VERSION_1, and with bits that need others; always so, and counted with this",
		"feat.accept-version-1"},
	[P_DEMANDED_FEATURE] = {"demanded-feature", 3, RARE, BOOT,
		"FEATURES_OK is refused to who does not accept one of the offered bits, which the seed says; a driver may give up",
		"init.reread-features-ok"},
	[P_FEATURES_REFUSED] = {"features-refused", 4, HARDENING, BOOT,
		"the first FEATURES_OK after the boot is refused; a driver may try again, or give up", "init.reread-features-ok"},
	[P_NEVER_OK] = {"features-never-ok", 4, HARDENING, BOOT,
		"FEATURES_OK is refused each time: a driver gives up", "init.stop-after-failure"},
	[P_EARLY_FAILURE] = {"early-needs-reset", 4, HARDENING, BOOT,
		"the device fails in its first bring-up, behind FEATURES_OK; a driver may try again, or give up",
		"status.needs-reset-no-trust"},
	[P_LATE_QUEUES] = {"late-queues", 5, LEGAL, BOOT,
		"registers of queues have no effect before FEATURES_OK, and never one behind DRIVER_OK", "init.setup-after-negotiation"},
	[P_TORN_CONFIG] = {"torn-config", 6, LEGAL, BOOT,
		"the address changes between two of its bytes, and so does ConfigGeneration, three times", "cfg.generation-loop"},
	[P_CONFIG_TAIL] = {"config-tail", 7, RARE, BOOT,
		"the config space is longer than known, with anything in it", "cfg.no-size-limit"},
	[P_SHORT_CONFIG] = {"short-config", 7, RARE, BOOT,
		"the registers' window ends behind the address, and nothing is offered that has a field there; instead of"
		" config-tail with one of four seeds", "cfg.only-min-size"},
	[P_QUEUE_SIZES] = {"queue-sizes", 8, LEGAL, BOOT,
		"each queue may have another size, 32 to 1024; Linux cannot send with less", "mmio.qsize-le-max"},
	[P_TINY_QUEUES] = {"tiny-queues", 8, RARE, BOOT,
		"each queue has another size, 1 to 16; with less than it can do with a driver gives up", "mmio.qsize-le-max"},
	[P_ODD_QUEUES] = {"odd-queues", 8, RARE, BOOT,
		"the sizes of packed rings are no powers of two", "mmio.qsize-le-max"},
	[P_SLOW_READY] = {"slow-ready", 9, RARE, BOOT,
		"QueueReady reads 1 three times more after 0 was written", "mmio.qready0-readback"},
	[P_SLOW_RESET] = {"slow-reset", 9, RARE, BOOT,
		"Status reads three times more what it was when 0 was written to it, and until then nothing that is written has an"
		" effect; Linux does not wait", "reset.wait-for-zero"},
	[P_LOCKED_QUEUES] = {"locked-queues", 10, LEGAL, BOOT,
		"sizes and addresses of a ready queue cannot be written; always so, and counted with this", "mmio.no-qreg-when-ready"},
	[P_FIRST_KICK] = {"first-kick", 11, LEGAL, BOOT,
		"what was offered before DRIVER_OK is looked at after a kick, and not before; not with polling", "notif.must-kick"},
	[P_STRICT_INTERRUPTS] = {"strict-interrupts", 12, LEGAL, BOOT,
		"no interrupt that used_event or flags do not ask for; always so, and those left out are counted with this",
		"event_idx.used-event-progress"},
	[P_EVENT_WORDS] = {"event-words", 13, RARE, ROUND,
		"while no kick is needed avail_event stands at 0, 65535, half a ring ahead, anywhere; flags go up and down",
		"event_idx.must-kick"},
	[P_POLLING] = {"polling", 14, LEGAL, BOOT,
		"a thread takes what is offered as soon as the index moves (poll=on); instead of first-kick with half of the seeds",
		"split.barrier-before-idx"},
	[P_ACK_RACE] = {"ack-race", 15, LEGAL, ROUND,
		"buffers are used behind the look at the rings and before the write to InterruptACK has an effect", "mmio.irq-ack"},
	[P_KICK_RACE] = {"kick-race", 15, LEGAL, ROUND,
		"received frames are shown while the driver kicks its transmit queue, without an interrupt when it wants none just"
		" then, and others not before it has done something", "notif.recheck-after-enable"},
	[P_BOTH_BITS] = {"both-bits", 16, LEGAL, ROUND,
		"an interrupt is for used buffers and for the config space at once; with STATUS the link comes up with some of them",
		"mmio.irq-both-bits"},
	[P_ONE_INTERRUPT] = {"one-interrupt", 16, LEGAL, ROUND,
		"received frames and sent buffers are shown at once, with one interrupt for all of them, and no more frames before"
		" the driver has sent something", "mmio.irq-all-queues"},
	[P_REORDER] = {"reorder", 17, RARE, ROUND,
		"buffers come back in another order, one stays behind; those of a received frame that takes several stay together",
		"used.any-order"},
	[P_DELAY] = {"delay", 18, RARE, ROUND,
		"buffers come back late, and sent ones one by one", "net.tx-reclaim"},
	[P_KEPT] = {"kept", 18, RARE, ROUND,
		"one sent buffer does not come back before the next reset, others do; of queues of 16 and more, not with IN_ORDER",
		"net.tx-reclaim"},
	[P_DRY_RING] = {"dry-ring", 19, RARE, ROUND,
		"received frames are shown when the driver has no buffer left, or nothing more comes: all at once",
		"net.rx-replenish"},
	[P_FLOOD] = {"flood", 19, RARE, ROUND,
		"several hundred frames at once, more than a ring holds, then single ones", "net.rx-replenish"},
	[P_LENGTHS] = {"lengths", 20, LEGAL, ROUND,
		"frames of every length around the ends of usual buffers: the last part is 1 byte, or full to the brim",
		"net.rx-num-buffers"},
	[P_JUMBO] = {"jumbo", 20, RARE, ROUND,
		"frames as long as the MTU that the driver has accepted says, up to 9014 bytes; of 1500 at least",
		"net.rx-num-buffers"},
	[P_NUM_BUFFERS] = {"num-buffers", 21, ILLEGAL, ROUND,
		"num_buffers is 0, one more, 65535; without MRG_RXBUF not 1", "net.rx-num-buffers-sane"},
	[P_BAD_CHECKSUMS] = {"bad-checksums", 22, LEGAL, ROUND,
		"pings and datagrams with wrong checksums come between right ones: none may be answered", "net.rx-no-trust-csum"},
	[P_HEADER_POISON] = {"header-poison", 22, LEGAL, ROUND,
		"what flags and gso_type say is not valid in the header of a received frame is anything", "net.rx-no-trust-csum"},
	[P_HDR_LEN] = {"hdr-len", 22, RARE, ROUND,
		"hdr_len of a received frame is 0, 1, more than the frame has, anything: it is a hint", "net.rx-hdrlen-hint"},
	[P_RX_FLAGS] = {"rx-flags", 22, ILLEGAL, ROUND,
		"the header of a received frame has flags that no version of the specification has",
		"net.rx-ignore-unknown-flags"},
	[P_TX_LEN] = {"tx-len", 23, RARE, ROUND,
		"the length of a sent buffer, which means nothing, is anything: in packed rings, and on version 1",
		"packed.len-only-with-write"},
	[P_SHORT_LEN] = {"short-len", 23, RARE, ROUND,
		"the length of a received frame is less than was written: the header, less than that, a byte is missing",
		"used.ignore-past-len"},
	[P_USED_LEN] = {"used-len", 23, ILLEGAL, ROUND,
		"the length of a used buffer is 0, 11, more than the buffer, all ones", "used.ignore-past-len"},
	[P_LATE_FRAMES] = {"late-frames", 24, LEGAL, BOOT,
		"buffers are filled while Status is being written 0, before that has an effect", "cleanup.reset-before-unexpose"},
	[P_BAD_ID] = {"bad-id", 25, ILLEGAL, ROUND,
		"the id of a used buffer is outside the ring, four times in each queue", "no rule: hardening"},
	[P_CHAIN_ID] = {"chain-id", 25, ILLEGAL, ROUND,
		"a used buffer comes back under the second descriptor of its chain, four times in each queue; of split rings, not of the control"
		" queue", "no rule: hardening"},
	[P_FREE_ID] = {"free-id", 25, ILLEGAL, ROUND,
		"a sent buffer comes back under an id that the driver has not given out, four times in each queue: of a split ring a free"
		" descriptor", "no rule: hardening"},
	[P_USED_TWICE] = {"used-twice", 25, ILLEGAL, ROUND,
		"the same buffer comes back twice in one batch, four times in each queue", "no rule: hardening"},
	[P_INDEX_JUMP] = {"index-jump", 25, HARDENING, ROUND,
		"the used index claims more than there ever was, twice in each queue, and goes back", "no rule: hardening"},
	[P_WRONG_WORDS] = {"wrong-words", 26, ILLEGAL, ROUND,
		"flags say no kicks with EVENT_IDX, avail_event is written without it", "event_idx.ignore-used-flags"},
	[P_ISR_BITS] = {"isr-bits", 26, ILLEGAL, ROUND,
		"InterruptStatus has bits that mean nothing", "mmio.intstatus-ignore-unknown"},
	[P_SPURIOUS] = {"spurious", 27, LEGAL, ROUND,
		"interrupts with InterruptStatus 0, and with nothing used; 200 at most", "notif.handle-spurious"},
	[P_SHARED_LINE] = {"shared-line", 27, LEGAL, BOOT,
		"interrupts with InterruptStatus 0 before DRIVER_OK, as from a neighbour on the line: behind a reset, at each step"
		" and with each queue that becomes ready, 200 at most", "notif.handle-spurious"},
	[P_UNASKED] = {"unasked", 27, LEGAL, ROUND,
		"used buffers interrupt although flags or event ask for none: that is advice", "notif.handle-suppressed"},
	[P_CONFIG_IRQ] = {"config-irq", 6, LEGAL, ROUND,
		"config interrupts and new generations without a change", "notif.handle-spurious"},
	[P_NEEDS_RESET] = {"needs-reset", 28, HARDENING, ROUND,
		"the device fails once, and can be set up again; Linux does not", "cfg.reset-on-needs-reset-irq"},
	[P_FEWER_FEATURES] = {"fewer-features", 29, LEGAL, BOOT,
		"some of the features are not offered, and those that need them neither", "feat.fallback"},
	[P_VERSION_ALONE] = {"version-1-alone", 29, LEGAL, BOOT,
		"VERSION_1 is all that is offered", "feat.fallback"},
	[P_ORPHANS] = {"orphan-features", 29, ILLEGAL, BOOT,
		"CTRL_VQ, CSUM and GUEST_CSUM are not offered, and what needs them is; a driver may leave those out, or give up",
		"feat.deps"},
	[P_UNKNOWN_FEATURES] = {"unknown-features", 29, ILLEGAL, BOOT,
		"all bits that no version of the specification has are offered, and all from 64 on, until the driver gives up",
		"feat.unknown-not-fatal"},
	[P_INDEX_WRAP] = {"index-wrap", 30, LEGAL, ROUND,
		"66000 pings: the indices of both rings go past 65535", "split.idx-wraps-16bit"},
	[P_POISON] = {"poison", 31, LEGAL, BOOT,
		"registers that can only be written, and those that do not exist, read anything", "no rule: they have no value"},
	[P_BUFFER_TAIL] = {"buffer-tail", 31, RARE, ROUND,
		"what of a buffer for receiving is behind the end of the frame is overwritten, too, before the buffer comes back",
		"used.no-trust-past-len"},
	[P_USED_NEXT] = {"used-next", 31, RARE, ROUND,
		"used descriptors of a packed ring have NEXT, which means nothing there", "packed.ignore-next-in-used"},
	[P_GATED_CONFIG] = {"gated-config", 31, LEGAL, BOOT,
		"fields of the config space whose feature is not offered read anything; not with short-config",
		"cfg.check-feature-first"},
	[P_IN_ORDER] = {"in-order", 32, LEGAL, BOOT,
		"IN_ORDER is offered, and who accepts it gets one used descriptor for several buffers of a packed ring (of either"
		" with batches); nothing is reordered or kept then", "inorder.batch-used"},
	[P_BATCHES] = {"batches", 32, RARE, ROUND,
		"one used entry for several sent buffers, more than a thousand pings long; with IN_ORDER, hence with in-order too"
		" when --net does not offer it", "inorder.batch-used"},
	[P_LINK_FLAP] = {"link-flap", 33, LEGAL, ROUND,
		"the link goes down and comes back, several times; frames between are lost", "net.link-from-status"},
	[P_ANNOUNCE] = {"announce", 33, LEGAL, ROUND,
		"the driver is asked to announce itself (GUEST_ANNOUNCE)", "announce.ack"},
	[P_STATUS_BITS] = {"status-bits", 33, LEGAL, BOOT,
		"the status field of the config space has bits that mean nothing yet", "net.link-from-status"},
	[P_LATE_LINK] = {"late-link", 33, LEGAL, BOOT,
		"the link is down until the driver works, and comes up a moment later", "net.link-from-status"},
	[P_EARLY_ANNOUNCE] = {"early-announce", 33, LEGAL, BOOT,
		"ANNOUNCE is set in the status from the boot on", "announce.ack"},
	[P_MTU] = {"mtu", 33, LEGAL, BOOT,
		"mtu is 68, 1280, 1500, 9000 or 65535, unless --net says another", "net.mtu-rx-room"},
	[P_SPEED] = {"speed", 33, LEGAL, BOOT,
		"speed and duplex are unknown, none that there is, 0, the largest number, or those of an old card", "net.speed-unknown"},
	[P_CTRL_ERROR] = {"ctrl-error", 34, LEGAL, BOOT,
		"every second command of a class of the control queue is answered with ERR", "ctrl.wait-for-used"},
	[P_CTRL_ACK] = {"ctrl-ack", 34, ILLEGAL, BOOT,
		"commands are answered with what is neither OK nor ERR", "ctrl.wait-for-used"},
	[P_SLOTS] = {"slots", 35, LEGAL, BOOT,
		"registers without a device before and behind the NICs: DeviceID 0, a wrong magic number, a version that is none",
		"mmio.devid0-no-access"},
};
/* clang-format on */

/*
 * A driver that gives up with one of these may be right, or it takes long, or is stuck and breaks no rule (P_KEPT), or others
 * have no occasion with it (P_IN_ORDER), or few drivers do what it takes (P_SLOW_RESET).
 */
#define BY_NAME                                                                              \
	(PROVOKE_BIT(P_FEATURES_REFUSED) | PROVOKE_BIT(P_NEVER_OK) |                         \
	 PROVOKE_BIT(P_EARLY_FAILURE) | PROVOKE_BIT(P_TINY_QUEUES) |                         \
	 PROVOKE_BIT(P_VERSION_ALONE) | PROVOKE_BIT(P_ORPHANS) | PROVOKE_BIT(P_INDEX_WRAP) | \
	 PROVOKE_BIT(P_KEPT) | PROVOKE_BIT(P_DEMANDED_FEATURE) | PROVOKE_BIT(P_IN_ORDER) |   \
	 PROVOKE_BIT(P_SLOW_RESET))

bool provoke_by_name(enum provoke_id id)
{
	return BY_NAME & PROVOKE_BIT(id);
}

_Static_assert(NR_PROVOCATIONS <= 8 * sizeof(provoke_set), "a set has a bit for each");

const char *provoke_tag_name(enum provoke_tag tag)
{
	static const char *const names[] = {[LEGAL] = "legal",
	                                    [RARE] = "rare",
	                                    [ILLEGAL] = "illegal",
	                                    [HARDENING] = "hardening"};

	return names[tag];
}

static provoke_set with_tags(enum provoke_tag first, enum provoke_tag last)
{
	provoke_set set = 0;

	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (provocations[i].tag >= first && provocations[i].tag <= last &&
		    !provoke_by_name(i))
			set |= PROVOKE_BIT(i);
	return set;
}

/* The words for several of them. */
static provoke_set set_of(const char *name)
{
	if (strcmp(name, "legal") == 0)
		return with_tags(LEGAL, RARE);
	if (strcmp(name, "hostile") == 0)
		return with_tags(ILLEGAL, HARDENING);
	return strcmp(name, "all") == 0 ? with_tags(LEGAL, HARDENING) : 0;
}

static int add(provoke_set *set, const char *name, char *why, size_t size)
{
	static const char *const sets[] = {"legal", "hostile", "all"};
	const provoke_set several = set_of(name);
	const char *meant = NULL;

	*set |= several;
	for (unsigned i = 0; i < NR_PROVOCATIONS && !several; i++) {
		const struct provocation *p = &provocations[i];

		if (strcmp(p->name, name) == 0) {
			*set |= PROVOKE_BIT(i);
			return 0;
		}
		meant = word_nearer(name, meant, p->name);
	}
	if (several)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
		meant = word_nearer(name, meant, sets[i]);
	if (meant)
		snprintf(why, size, "there is no provocation '%s'; the most like it is %s", name,
		         meant);
	else
		snprintf(why, size, "there is no provocation '%s': --list-provocations shows them",
		         name);
	return -EINVAL;
}

int provoke_parse(provoke_set *set, const char *text, char *why, size_t size)
{
	char name[32];
	int ret = 0;

	for (;; text++) {
		const size_t len = strcspn(text, ",");

		snprintf(name, sizeof(name), "%.*s", (int)min_size(len, sizeof(name) - 1), text);
		ret = add(set, name, why, size);
		text += len;
		if (ret < 0 || !*text)
			return ret;
	}
}

void provoke_list(FILE *out)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const struct provocation *p = &provocations[i];

		fprintf(out, "%-18s F%-3u %-10s %-8s %s%s [%s]\n", p->name, p->number,
		        provoke_tag_name(p->tag), p->when == BOOT ? "boot" : "round", p->does,
		        provoke_by_name(i) ? " (in no group: by its name)" : "", p->rule);
	}
}
