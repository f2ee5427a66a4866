/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that show only in what a driver bears: for each one that does not bear it, one that does, and those of which nothing can be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "check/borne.h"
#include "check/provoke_priv.h"
#include "check/report.h"
#include "devices/virtio.h"
#include "tests/lib/check_rig.h"
#include "vmm/run.h"

#define PACKED FEATURE(VIRTIO_F_RING_PACKED)
#define EVENT  FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define MERGE  CRIG_F(MRG_RXBUF)
#define V1     CRIG_V1
#define ANY    UINT64_C(0)
#define STATUS offsetof(struct virtio_net_config, status)

struct rig {
	struct check_rig crig;
	struct provoke *p;
	struct virtio_dev dev;
};

static void begin(struct rig *r, enum provoke_id id, uint64_t accepted)
{
	*r = (struct rig){.dev = {.accepted = accepted, .status = VIRTIO_CONFIG_S_DRIVER_OK}};
	crig_begin(&r->crig, V1);
	assert_int_equal(provoke_create(PROVOKE_BIT(id), 1, &r->p), 0);
	r->p->dev = &r->dev;
	r->p->baseline = true;
	provoke_switch(r->p, (int)id);
}

static void end(struct rig *r)
{
	provoke_destroy(r->p);
	crig_end(&r->crig);
}

/* So the round has gone; then all is over. */
static void round_is_over(struct rig *r, enum provoke_id id, struct provoke_result res)
{
	provoke_count(r->p, id);
	provoke_note(r->p, (int)id, &res);
	r->p->round = -1;
	provoke_end(r->p);
	check_borne(r->crig.c, r->p);
}

static const struct check_result *result_of(const struct rig *r, const char *id)
{
	return crig_result(r->crig.c, id);
}

static const struct {
	const char *rule;
	uint64_t accepted; /* with these features, */
	uint64_t other;    /* and with these it says nothing; ANY: there are none */
	enum provoke_id by;
	bool answers; /* it is the answers that are wrong */
	bool parts;   /* frames must have come in several buffers */
} all[] = {
	{"notif.handle-spurious", V1, ANY, P_SPURIOUS, false, false},
	{"notif.handle-spurious", V1, ANY, P_CONFIG_IRQ, false, false},
	{"notif.handle-spurious", V1, ANY, P_SHARED_LINE, false, false},
	{"notif.handle-suppressed", V1, ANY, P_UNASKED, false, false},
	{"mmio.irq-both-bits", V1, ANY, P_BOTH_BITS, false, false},
	{"mmio.irq-all-queues", V1, ANY, P_ONE_INTERRUPT, false, false},
	{"mmio.intstatus-ignore-unknown", V1, ANY, P_ISR_BITS, false, false},
	{"used.any-order", V1, V1 | PACKED, P_REORDER, true, false},
	{"packed.used-by-id", V1 | PACKED, V1, P_REORDER, true, false},
	{"used.ignore-past-len", V1, ANY, P_SHORT_LEN, true, false},
	{"used.legacy-len-zero", EVENT, V1 | PACKED, P_TX_LEN, false, false},
	{"packed.len-only-with-write", V1 | PACKED, EVENT, P_TX_LEN, false, false},
	{"packed.ignore-next-in-used", V1 | PACKED, V1, P_USED_NEXT, false, false},
	{"event_idx.used-event-wrap", V1 | EVENT, V1, P_INDEX_WRAP, false, false},
	{"event_idx.used-event-wrap", V1 | EVENT, V1 | EVENT | PACKED, P_INDEX_WRAP, false, false},
	{"notif.recheck-after-enable", V1, ANY, P_KICK_RACE, false, false},
	{"inorder.batch-used", V1, ANY, P_BATCHES, false, false},
	{"net.tx-reclaim", V1, ANY, P_DELAY, false, false},
	{"net.rx-num-buffers", V1 | MERGE, ANY, P_LENGTHS, true, true},
	{"net.rx-num-buffers", V1 | MERGE, ANY, P_JUMBO, false, true},
	{"net.rx-num-buffers-sane", V1 | MERGE, V1, P_NUM_BUFFERS, false, false},
	{"net.rx-single-without-mrg", V1, V1 | MERGE, P_NUM_BUFFERS, false, false},
	{"net.rx-csum-fields", V1, ANY, P_HEADER_POISON, true, false},
	{"net.rx-hdrlen-hint", V1, ANY, P_HDR_LEN, true, false},
	{"net.rx-ignore-unknown-flags", V1, ANY, P_RX_FLAGS, false, false},
	{"net.rx-no-trust-csum", V1, ANY, P_BAD_CHECKSUMS, true, false},
	{"used.no-trust-past-len", V1, ANY, P_BUFFER_TAIL, true, false},
	{"cfg.no-size-limit", V1, ANY, P_CONFIG_TAIL, false, false},
	{"cfg.only-min-size", V1, ANY, P_SHORT_CONFIG, false, false},
	{"net.speed-unknown", V1, ANY, P_SPEED, false, false},
};

/* @i of all[], by a driver with the features @accepted. */
static void play(struct rig *r, size_t i, uint64_t accepted, struct provoke_result res)
{
	begin(r, all[i].by, accepted);
	r->p->parts = all[i].parts;
	if (all[i].by == P_SHORT_CONFIG) { /* who has not looked has borne nothing */
		crig_up(&r->crig, V1);
		crig_config(&r->crig, STATUS, 2, 0xffff);
	}
	round_is_over(r, all[i].by, res);
}

static void each_is_found_and_no_driver_that_bears_it(unused void **state)
{
	struct provoke_result right = {.asked = 56}, late = {.asked = 56, .lost = 9};
	bool both[512] = {false};
	struct rig r;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct provoke_result wrong = {.verdict = all[i].answers ? PROVOKE_UNUSED
		                                                               : PROVOKE_STUCK,
		                                     .corrupt = all[i].answers ? 3 : 0,
		                                     .asked = 56};
		const struct check_result *res;

		play(&r, i, all[i].accepted, wrong);
		res = result_of(&r, all[i].rule);
		if (res->broken != 1)
			fail_msg("%s was not found", all[i].rule);
		assert_non_null(strstr(res->why, all[i].answers ? "3 wrong answers to 56"
		                                                : "no answers came any more"));
		assert_non_null(strstr(res->shown, provocations[all[i].by].name));
		end(&r);
		play(&r, i, all[i].accepted, i % 2 ? right : late);
		assert_int_equal(result_of(&r, all[i].rule)->broken, 0);
		assert_int_equal(result_of(&r, all[i].rule)->kept, 1);
		end(&r);
		both[rule_find(all[i].rule) - rules] = true;
		if (all[i].other == ANY)
			continue;
		play(&r, i, all[i].other, wrong);
		assert_int_equal(result_of(&r, all[i].rule)->broken, 0);
		end(&r);
	}
	for (size_t i = 0; i < nr_rules; i++)
		if (both[i] != borne_only(&rules[i]))
			fail_msg("%s: has it its drivers here?", rules[i].id);
}

static void expect_silence(struct rig *r, const char *what)
{
	for (size_t i = 0; i < nr_rules; i++)
		if (check_result(r->crig.c, i)->broken || check_result(r->crig.c, i)->kept)
			fail_msg("%s: %s", what, rules[i].id);
	end(r);
}

static void run_that_ends_meanwhile_says_nothing(unused void **state)
{
	struct rig r;

	begin(&r, P_REORDER, V1);
	provoke_count(r.p, P_REORDER);
	provoke_end(r.p);
	assert_int_equal(provoke_result(r.p, P_REORDER)->verdict, PROVOKE_STUCK);
	check_borne(r.crig.c, r.p);
	expect_silence(&r, "a run that ended");
}

static void driver_that_gives_up_has_said_enough(unused void **state)
{
	struct rig r;

	begin(&r, P_CONFIG_IRQ, V1);
	provoke_count(r.p, P_CONFIG_IRQ);
	r.dev.status |= VIRTIO_CONFIG_S_FAILED;
	provoke_end(r.p);
	check_borne(r.crig.c, r.p);
	assert_int_equal(result_of(&r, "notif.handle-spurious")->broken, 1);
	end(&r);
}

static void what_had_no_occasion_says_nothing(unused void **state)
{
	const struct provoke_result right = {.asked = 56}, reboot = {.rebooted = true},
				    stuck = {.verdict = PROVOKE_STUCK};
	struct rig r;

	begin(&r, P_REORDER, V1);
	provoke_note(r.p, P_REORDER, &stuck);
	check_borne(r.crig.c, r.p);
	expect_silence(&r, "nothing was done");
	begin(&r, P_REORDER, V1);
	round_is_over(&r, P_REORDER, reboot);
	expect_silence(&r, "a guest that boots once more");
	begin(&r, P_LENGTHS, V1 | MERGE); /* buffers that take all */
	round_is_over(&r, P_LENGTHS, right);
	expect_silence(&r, "no frame in several parts");
	begin(&r, P_BAD_CHECKSUMS, V1);
	round_is_over(&r, P_BAD_CHECKSUMS, stuck);
	expect_silence(&r, "who is stuck trusts nobody");
}

static void who_does_not_bear_one_of_several_at_boot_has_not_said_which(unused void **state)
{
	static const struct provoke_result stuck = {.verdict = PROVOKE_STUCK}, right = {.asked = 9};

	for (unsigned bears = 0; bears < 2; bears++) {
		struct rig r;

		begin(&r, P_CONFIG_TAIL, V1);
		r.p->set |= PROVOKE_BIT(P_SPEED);
		provoke_count(r.p, P_CONFIG_TAIL);
		provoke_count(r.p, P_SPEED);
		provoke_note(r.p, -1, bears ? &right : &stuck);
		r.p->round = -1;
		check_borne(r.crig.c, r.p);
		assert_int_equal(result_of(&r, "cfg.no-size-limit")->kept, bears);
		assert_int_equal(result_of(&r, "net.speed-unknown")->kept, bears);
		if (bears)
			end(&r);
		else
			expect_silence(&r, "two at boot");
	}
}

static void config_space_with_an_address_is_judged_of_who_looks_further(unused void **state)
{
	static const struct {
		bool looks, lives;
		enum provoke_verdict verdict;
		unsigned kept, broken;
	} how[] = {
		{true, true, PROVOKE_UNUSED, 1, 0},  {true, true, PROVOKE_STUCK, 0, 1},
		{false, true, PROVOKE_UNUSED, 0, 0}, {false, true, PROVOKE_STUCK, 0, 0},
		{true, false, PROVOKE_STUCK, 0, 0}, /* for want of a feature, maybe */
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		const struct provoke_result res = {.verdict = how[i].verdict, .asked = 8};
		struct rig r;

		begin(&r, P_SHORT_CONFIG, V1);
		if (how[i].lives)
			crig_up(&r.crig, V1);
		crig_config(&r.crig, how[i].looks ? STATUS : STATUS - 2, 2, 0xffff);
		round_is_over(&r, P_SHORT_CONFIG, res);
		assert_int_equal(result_of(&r, "cfg.only-min-size")->kept, how[i].kept);
		assert_int_equal(result_of(&r, "cfg.only-min-size")->broken, how[i].broken);
		end(&r);
	}
}

static void speed_is_judged_when_it_is_unknown(unused void **state)
{
	static const struct provoke_result right = {.asked = 8}, stuck = {.verdict = PROVOKE_STUCK};

	for (unsigned speed = 0; speed < PROVOKE_SPEEDS; speed++) {
		const bool unknown = speed == 0 || speed == 4;

		for (unsigned bears = 0; bears < 2; bears++) {
			struct rig r;

			begin(&r, P_SPEED, V1);
			r.p->speed = speed;
			round_is_over(&r, P_SPEED, bears ? right : stuck);
			assert_int_equal(result_of(&r, "net.speed-unknown")->kept,
			                 unknown && bears);
			assert_int_equal(result_of(&r, "net.speed-unknown")->broken,
			                 unknown && !bears);
			end(&r);
		}
	}
}

/* It is behind what is illegal that nothing is judged any more; this is about what came before. */
static void
findings_count_though_the_rest_is_muted_and_are_no_failure_of_their_own(unused void **state)
{
	const struct provoke_result stuck = {.verdict = PROVOKE_STUCK};
	bool *ignored = calloc(nr_rules, sizeof(*ignored));
	struct report report = {.nr = 1, .ignored = ignored, .fail_on = FAIL_ON_ANY};
	char *text = NULL;
	size_t len;
	struct rig r;
	FILE *out;

	begin(&r, P_SPURIOUS, V1);
	check_mute(r.crig.c);
	round_is_over(&r, P_SPURIOUS, stuck);
	report.checks = &r.crig.c;
	report.provokes = &r.p;
	out = open_memstream(&text, &len);
	report_text(&report, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "  MUST notif.handle-spurious (virtio 1.2, 2.7.7.1), 1 time"));
	assert_non_null(strstr(text, "seen:   answers with --provoke spurious"));
	assert_non_null(strstr(text, "not exercised, of a provoked device: --provoke"));
	assert_null(
		strstr(text, "not exercised, net-tx: frames from the guest\n      net.tx-reclaim"));
	free(text);
	assert_false(report_fails(&report));
	assert_int_equal(report_status(&report, EXIT_OK), EXIT_NO_DRIVER);
	free(ignored);
	end(&r);
}

/* Its round is muted from the beginning: what it has shown is said at the end. */
static void device_that_fails_shows_who_counts_on_it(unused void **state)
{
	const struct provoke_result right = {.asked = 56}, stuck = {.verdict = PROVOKE_STUCK};

	for (unsigned hopes = 0; hopes < 2; hopes++) {
		const struct check_result *res;
		struct rig r;

		begin(&r, P_NEEDS_RESET, V1);
		check_mute(r.crig.c);
		crig_up(&r.crig, V1);
		r.crig.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		crig_read(&r.crig, VIRTIO_MMIO_STATUS, r.crig.status);
		crig_ticks(&r.crig, 12);
		for (unsigned i = 0; i < 3 && hopes; i++)
			crig_write(&r.crig, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
		crig_write(&r.crig, VIRTIO_MMIO_STATUS, 0);
		res = result_of(&r, "status.needs-reset-no-trust");
		assert_int_equal(res->kept + res->broken, 0);
		round_is_over(&r, P_NEEDS_RESET, hopes ? stuck : right);
		assert_int_equal(res->broken, hopes);
		assert_int_equal(res->kept, !hopes);
		end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found_and_no_driver_that_bears_it),
		cmocka_unit_test(run_that_ends_meanwhile_says_nothing),
		cmocka_unit_test(driver_that_gives_up_has_said_enough),
		cmocka_unit_test(what_had_no_occasion_says_nothing),
		cmocka_unit_test(config_space_with_an_address_is_judged_of_who_looks_further),
		cmocka_unit_test(speed_is_judged_when_it_is_unknown),
		cmocka_unit_test(who_does_not_bear_one_of_several_at_boot_has_not_said_which),
		cmocka_unit_test(device_that_fails_shows_who_counts_on_it),
		cmocka_unit_test(
			findings_count_though_the_rest_is_muted_and_are_no_failure_of_their_own),
	};

	return cmocka_run_group_tests_name("check_borne", tests, NULL, NULL);
}
