/* SPDX-License-Identifier: Apache-2.0 */
/* Captures, read back with libpcap as Wireshark would. The inner backend is scripted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "tests/lib/fake_net.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/compiler.h"

struct fixture {
	char dir[64], path[80];
	struct fake_net *fake;
	struct net_backend *b;
};

static void ignore(unused void *arg)
{
}

static void ignore_gone(unused void *arg, unused int err)
{
}

static const struct net_sink sink = {
	.can_recv = ignore, .can_send = ignore, .sent = ignore, .gone = ignore_gone};

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/doorbell-pcap-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/net0.pcap", f->dir);
}

static void open_capture_of(struct fixture *f, bool holds)
{
	f->fake = fake_net_create(FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	if (holds)
		fake_net_hold(f->fake);
	assert_int_equal(net_pcap_create(f->path, 0, &f->fake->backend, &f->b), 0);
	assert_int_equal(net_pcap_begin(f->b), 0);
	assert_int_equal(f->b->frame->start(f->b, 0, &sink), 0);
}

static void open_capture(struct fixture *f)
{
	open_capture_of(f, false);
}

static void tear_down(struct fixture *f)
{
	net_destroy(f->b);
	unlink(f->path);
	rmdir(f->dir);
}

/* @len bytes of frame behind a header whose bytes are 0xee: they may not show up in a file. */
static ssize_t send_frame(struct fixture *f, size_t len, unsigned seed)
{
	uint8_t *buf = malloc(NET_HDR_LEN + len);
	/* Who reads it later has the header in a piece of its own. */
	const size_t first = f->b->frame->done ? NET_HDR_LEN : 5;
	struct iovec iov[3] = {
		{buf, first}, {buf + first, 25 - first}, {buf + 25, NET_HDR_LEN + len - 25}};
	ssize_t ret;

	assert_non_null(buf);
	memset(buf, 0xee, NET_HDR_LEN);
	for (size_t i = 0; i < len; i++)
		buf[NET_HDR_LEN + i] = (uint8_t)(seed + i * 3);
	ret = f->b->frame->send(f->b, iov, 3);
	free(buf);
	return ret;
}

static void recv_frame(struct fixture *f, size_t len, unsigned seed)
{
	uint8_t *buf = malloc(NET_RECV_MAX);
	struct iovec iov[2] = {{buf, 30}, {buf + 30, NET_RECV_MAX - 30}};

	assert_non_null(buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed + i * 3);
	fake_net_queue(f->fake, NULL, buf, len);
	assert_int_equal(f->b->frame->recv(f->b, iov, 2), len + NET_HDR_LEN);
	free(buf);
}

/* ---- reading back */

struct reader {
	__typeof__(pcap_open_offline_with_tstamp_precision) *open;
	__typeof__(pcap_next_ex) *next;
	__typeof__(pcap_datalink) *datalink;
	__typeof__(pcap_close) *close;
	pcap_t *p;
};

static void read_begin(struct reader *r, const char *path)
{
	void *so = dlopen("libpcap.so.0.8", RTLD_NOW);
	char err[PCAP_ERRBUF_SIZE];

	assert_non_null(so);
	*(void **)(void *)&r->open = dlsym(so, "pcap_open_offline_with_tstamp_precision");
	*(void **)(void *)&r->next = dlsym(so, "pcap_next_ex");
	*(void **)(void *)&r->datalink = dlsym(so, "pcap_datalink");
	*(void **)(void *)&r->close = dlsym(so, "pcap_close");
	r->p = r->open(path, PCAP_TSTAMP_PRECISION_NANO, err);
	assert_non_null(r->p);
	assert_int_equal(r->datalink(r->p), DLT_EN10MB);
}

static const u_char *expect_record(struct reader *r, size_t len)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	struct timespec now; /* time() may be a tick behind */

	assert_int_equal(r->next(r->p, &h, &data), 1);
	assert_int_equal(h->len, len);
	assert_int_equal(h->caplen, len);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(h->ts.tv_sec <= now.tv_sec && h->ts.tv_sec > now.tv_sec - 3600);
	assert_true(h->ts.tv_usec >= 0 && h->ts.tv_usec < 1000000000);
	return data;
}

static void expect_frame(struct reader *r, size_t len, unsigned seed)
{
	const u_char *data = expect_record(r, len);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(data[i], (uint8_t)(seed + i * 3));
}

static void expect_end(struct reader *r)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	assert_int_equal(r->next(r->p, &h, &data),
	                 PCAP_ERROR_BREAK); /* the end, not a cut record */
	r->close(r->p);
}

/* ---- cases */

static void both_directions_are_recorded_in_order(unused void **state)
{
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture(&f);
	assert_string_equal(f.b->kind, "fake");
	assert_string_equal(f.b->label, "fake0");
	assert_int_equal(f.b->can, FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(send_frame(&f, 60 + i, i), NET_HDR_LEN + 60 + i);
		recv_frame(&f, 100 + i, i + 1);
	}
	read_begin(&r, f.path);
	for (unsigned i = 0; i < 50; i++) {
		expect_frame(&r, 60 + i, i);
		expect_frame(&r, 100 + i, i + 1);
	}
	expect_end(&r);
	assert_int_equal(f.fake->backend.stats.sends, 50);
	assert_int_equal(f.fake->backend.stats.recvs, 50);
	tear_down(&f);
}

static void largest_frame_is_recorded_whole(unused void **state)
{
	const size_t max = NET_RECV_MAX - NET_HDR_LEN;
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture(&f);
	recv_frame(&f, max, 1);
	send_frame(&f, max, 2);
	send_frame(&f, 14, 3);
	read_begin(&r, f.path);
	expect_frame(&r, max, 1);
	expect_frame(&r, max, 2);
	expect_frame(&r, 14, 3);
	expect_end(&r);
	tear_down(&f);
}

static void frame_that_was_not_taken_is_not_recorded(unused void **state)
{
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture(&f);
	fake_net_fail_send(f.fake, 1, -EAGAIN, 1);
	assert_true(send_frame(&f, 60, 1) > 0);
	assert_int_equal(send_frame(&f, 60, 2), -EAGAIN);
	assert_int_equal(f.fake->backend.stats.send_again, 1);
	assert_true(send_frame(&f, 60, 2) > 0);
	fake_net_fail_send(f.fake, 0, -EIO, 1);
	assert_int_equal(send_frame(&f, 60, 3), -EIO);
	assert_int_equal(f.fake->backend.stats.send_errors, 1);
	read_begin(&r, f.path);
	expect_frame(&r, 60, 1);
	expect_frame(&r, 60, 2);
	expect_end(&r);
	tear_down(&f);
}

/* Of a pair: by a driver that pauses, its device that sends them again, and another driver. */
static void frames_that_were_taken_back_are_recorded_once(unused void **state)
{
	const struct net_frame_ops *ops;
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture_of(&f, true);
	ops = f.b->frame;
	for (unsigned i = 0; i < 4; i++)
		assert_true(send_frame(&f, 60, i) > 0);
	fake_net_finish(f.fake, 1);
	ops->stop(f.b);
	assert_int_equal(ops->done(f.b), 1);
	assert_int_equal(ops->start(f.b, 0, &sink), 0);
	for (unsigned i = 1; i < 3; i++) /* two of the three, which it takes back once more */
		assert_true(send_frame(&f, 60, i) > 0);
	ops->recall(f.b, true);
	assert_int_equal(ops->done(f.b), 0);
	for (unsigned i = 1; i < 5; i++)
		assert_true(send_frame(&f, 60, i) > 0);
	ops->stop(f.b);
	assert_int_equal(ops->done(f.b), 0);
	ops->forget(f.b);
	assert_int_equal(ops->start(f.b, 0, &sink), 0);
	assert_true(send_frame(&f, 60, 9) > 0);
	fake_net_finish(f.fake, 1);
	assert_int_equal(ops->done(f.b), 1);
	read_begin(&r, f.path);
	for (unsigned i = 0; i < 5; i++)
		expect_frame(&r, 60, i);
	expect_frame(&r, 60, 9);
	expect_end(&r);
	tear_down(&f);
}

/* Those that were taken back in a pause, and those of a queue that its driver takes back. */
static void frames_that_do_not_come_again_hide_no_others(unused void **state)
{
	const struct net_frame_ops *ops;
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture_of(&f, true);
	ops = f.b->frame;
	for (unsigned i = 0; i < 3; i++)
		assert_true(send_frame(&f, 60, i) > 0);
	ops->stop(f.b);
	assert_int_equal(ops->done(f.b), 0);
	assert_int_equal(ops->start(f.b, 0, &sink), 0);
	assert_true(send_frame(&f, 60, 0) > 0);
	ops->recall(f.b, false);
	assert_int_equal(ops->done(f.b), 0);
	assert_true(send_frame(&f, 60, 3) > 0);
	read_begin(&r, f.path);
	for (unsigned i = 0; i < 4; i++)
		expect_frame(&r, 60, i);
	expect_end(&r);
	tear_down(&f);
}

static void killed_process_leaves_a_readable_file(unused void **state)
{
	struct fixture f;
	struct reader r;
	int status;
	pid_t pid;

	set_up(&f);
	pid = fork();
	if (pid == 0) {
		open_capture(&f);
		for (unsigned i = 0; i < 10; i++)
			send_frame(&f, 1000 * i + 60, i);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	read_begin(&r, f.path);
	for (unsigned i = 0; i < 10; i++)
		expect_frame(&r, 1000 * i + 60, i);
	expect_end(&r);
	tear_down(&f);
}

static void next_driver_goes_on_in_the_same_file(unused void **state)
{
	struct fixture f;
	struct reader r;

	set_up(&f);
	open_capture(&f);
	send_frame(&f, 60, 1);
	f.b->frame->stop(f.b);
	assert_int_equal(net_pcap_begin(f.b), 0); /* again: the next life of a guest */
	assert_int_equal(f.b->frame->start(f.b, 0, &sink), 0);
	send_frame(&f, 61, 2);
	net_destroy(f.b);
	read_begin(&r, f.path);
	expect_frame(&r, 60, 1);
	expect_frame(&r, 61, 2);
	expect_end(&r);
	/* The next machine has a new one. */
	open_capture(&f);
	send_frame(&f, 62, 3);
	read_begin(&r, f.path);
	expect_frame(&r, 62, 3);
	expect_end(&r);
	tear_down(&f);
}

static void refuse(const char *path, const char *why)
{
	struct fake_net *fake = fake_net_create(0);
	struct net_backend *out = &fake->backend;
	struct capture c;
	bool destroyed;
	int ret;

	fake_net_on_destroy(fake, &destroyed);
	CAPTURED(&c, &ret, net_pcap_create(path, 0, out, &out));
	assert_true(ret < 0);
	assert_null(out);
	assert_true(destroyed);
	assert_one_line(&c, path);
	assert_one_line(&c, why);
}

static void file_that_cannot_be_written_is_named(unused void **state)
{
	struct fixture f;

	set_up(&f);
	refuse("/nowhere/at/all.pcap", "No such file");
	refuse(f.dir, "Is a directory");
	rmdir(f.dir);
}

static void full_disk_is_named_when_the_capture_begins(unused void **state)
{
	struct fake_net *fake = fake_net_create(0);
	struct net_backend *b;
	struct capture c;
	int ret;

	assert_int_equal(net_pcap_create("/dev/full", 0, &fake->backend, &b), 0);
	CAPTURED(&c, &ret, net_pcap_begin(b));
	assert_int_equal(ret, -ENOSPC);
	assert_one_line(&c, "pcap=/dev/full: the capture cannot be written: No space left");
	net_destroy(b);
}

/* Another option may be refused: what is there is not ours to empty before that is known. */
static void capture_that_does_not_begin_leaves_the_file_alone(unused void **state)
{
	struct fake_net *fake;
	struct net_backend *b;
	struct fixture f;
	struct stat st;

	set_up(&f);
	for (unsigned there = 0; there < 2; there++) {
		if (there)
			close(open(f.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(there ? truncate(f.path, 5) : 0, 0);
		fake = fake_net_create(0);
		assert_int_equal(net_pcap_create(f.path, 0, &fake->backend, &b), 0);
		net_destroy(b);
		assert_int_equal(stat(f.path, &st), there ? 0 : -1);
		assert_true(!there || st.st_size == 5);
	}
	unlink(f.path);
	rmdir(f.dir);
}

static void fill_disk(size_t len)
{
	struct fixture f;
	struct capture c;
	int pipe_fd[2];

	/* A pipe whose reader has left stands for the disk. */
	set_up(&f);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(pipe_fd), 0);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", pipe_fd[1]);
	open_capture(&f);
	assert_true(send_frame(&f, 60, 1) > 0);
	close(pipe_fd[0]);
	capture_begin(&c);
	for (unsigned i = 0; i < 5; i++)
		assert_true(send_frame(&f, len, i) > 0);
	recv_frame(&f, 100, 7);
	capture_end(&c);
	assert_one_line(&c, "Broken pipe");
	assert_int_equal(f.fake->nr_sent, 6);
	close(pipe_fd[1]);
	net_destroy(f.b);
	rmdir(f.dir);
}

static void full_disk_ends_the_capture_and_not_the_network(unused void **state)
{
	fill_disk(60);
}

static void frame_larger_than_the_streams_buffer_ends_it_too(unused void **state)
{
	fill_disk(20000);
}

static void everything_else_is_handed_through(unused void **state)
{
	struct fixture f;
	bool destroyed;

	set_up(&f);
	open_capture(&f);
	fake_net_on_destroy(f.fake, &destroyed);
	assert_true(f.fake->started);
	f.b->frame->want_recv(f.b, false);
	assert_false(f.fake->want_recv);
	assert_int_equal(f.b->frame->set_offloads(f.b, FEATURE(VIRTIO_NET_F_GUEST_CSUM)), 0);
	assert_int_equal(f.fake->offloads, FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	f.b->frame->stop(f.b);
	assert_false(f.fake->started);
	f.fake->start_err = -ENODEV;
	assert_int_equal(f.b->frame->start(f.b, 0, &sink), -ENODEV);
	tear_down(&f);
	assert_true(destroyed);
}

/* ---- several queue pairs, each on a thread of its own */

#define PAIRS 4u
#define EACH  4000u

struct pair {
	struct fake_net *fake;
	struct net_backend *b;
	pthread_t thread;
	unsigned nr, passed; /* of this pair; frames that its backend took or gave */
};

/* Number @i of pair @nr: its length, and all of its bytes. */
static size_t make_numbered(uint8_t *f, unsigned nr, unsigned i)
{
	const size_t len = 60 + (i * 37 + nr) % 1400;

	f[0] = (uint8_t)nr;
	memcpy(f + 1, &i, sizeof(i));
	for (size_t k = 5; k < len; k++)
		f[k] = (uint8_t)(nr + i + k);
	return len;
}

static void *pass_frames(void *arg)
{
	struct pair *p = arg;
	uint8_t *buf = calloc(1, NET_RECV_MAX);

	for (unsigned i = 0; buf && i < EACH; i++) {
		size_t len = make_numbered(buf + NET_HDR_LEN, p->nr, i);
		struct iovec iov = {buf, NET_HDR_LEN + len};

		if (i % 2) {
			fake_net_queue(p->fake, NULL, buf + NET_HDR_LEN, len);
			iov.iov_len = NET_RECV_MAX;
			p->passed += p->b->frame->recv(p->b, &iov, 1) > 0;
		} else {
			p->passed += p->b->frame->send(p->b, &iov, 1) > 0;
			fake_net_forget_sent(p->fake);
		}
	}
	free(buf);
	return NULL;
}

static void open_pairs(struct fixture *f, struct pair pair[PAIRS])
{
	struct net_backend *b;

	f->fake = fake_net_create(0);
	pair[0].fake = f->fake;
	for (unsigned i = 1; i < PAIRS; i++)
		pair[i].fake = fake_net_add_pair(f->fake);
	assert_int_equal(net_pcap_create(f->path, 0, &f->fake->backend, &f->b), 0);
	assert_int_equal(net_pcap_begin(f->b), 0);
	assert_int_equal(f->b->set_pairs(f->b, PAIRS), 0);
	assert_int_equal(f->fake->pairs, PAIRS);
	b = f->b;
	for (unsigned i = 0; i < PAIRS; i++, b = b->next) {
		pair[i].nr = i;
		pair[i].b = b;
		assert_int_equal(b->frame->start(b, 0, &sink), 0);
	}
	assert_null(b);
}

static void read_pairs(const char *path)
{
	unsigned next[PAIRS] = {0};
	int64_t last = 0;
	uint8_t want[2000];
	struct pcap_pkthdr *h;
	struct reader r;
	const u_char *data;

	read_begin(&r, path);
	for (unsigned i = 0; i < PAIRS * EACH; i++) {
		int64_t ns;

		assert_int_equal(r.next(r.p, &h, &data), 1);
		assert_true(data[0] < PAIRS);
		assert_int_equal(h->len, make_numbered(want, data[0], next[data[0]]++));
		assert_memory_equal(data, want, h->len);
		ns = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec;
		assert_true(ns >= last);
		last = ns;
	}
	expect_end(&r);
}

static void frames_of_all_pairs_are_in_one_file_whole(unused void **state)
{
	struct pair pair[PAIRS] = {0};
	struct fixture f;

	set_up(&f);
	open_pairs(&f, pair);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(pthread_create(&pair[i].thread, NULL, pass_frames, &pair[i]), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		pthread_join(pair[i].thread, NULL);
		assert_int_equal(pair[i].passed, EACH);
	}
	read_pairs(f.path);
	tear_down(&f);
}

/* All see it, one says it. */
static void a_full_disk_ends_the_capture_of_all_pairs(unused void **state)
{
	struct pair pair[PAIRS] = {0};
	struct capture c;
	struct fixture f;
	int pipe_fd[2];

	set_up(&f);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(pipe_fd), 0);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", pipe_fd[1]);
	open_pairs(&f, pair);
	close(pipe_fd[0]);
	capture_begin(&c);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(pthread_create(&pair[i].thread, NULL, pass_frames, &pair[i]), 0);
	for (unsigned i = 0; i < PAIRS; i++)
		pthread_join(pair[i].thread, NULL);
	capture_end(&c);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(pair[i].passed, EACH);
	assert_one_line(&c, "Broken pipe");
	close(pipe_fd[1]);
	net_destroy(f.b);
	rmdir(f.dir);
}

/* ---- around a backend that runs */

static void a_capture_can_begin_and_end_between_two_frames(unused void **state)
{
	struct fixture f;
	struct reader r;
	struct net_backend *wrapper;
	char why[128];

	set_up(&f);
	f.fake = fake_net_create(0);
	f.b = &f.fake->backend;
	assert_int_equal(f.b->frame->start(f.b, 0, &sink), 0);
	send_frame(&f, 60, 1);
	assert_int_equal(net_pcap_wrap(f.path, f.b, &wrapper, why, sizeof(why)), 0);
	assert_int_equal(net_pcap_begin(wrapper), 0);
	assert_ptr_equal(net_pcap_inner(wrapper), f.b);
	f.b = wrapper;
	send_frame(&f, 70, 2);
	recv_frame(&f, 80, 3);
	f.b = net_pcap_unwrap(wrapper);
	assert_ptr_equal(f.b, &f.fake->backend);
	send_frame(&f, 90, 4); /* it still runs, unseen */
	read_begin(&r, f.path);
	expect_frame(&r, 70, 2);
	expect_frame(&r, 80, 3);
	expect_end(&r);
	tear_down(&f);
}

static void guest_sends(struct vrig *v, unsigned seed)
{
	uint8_t bytes[NET_HDR_LEN + 60] = {0};
	struct fake_buf b;

	vrig_frame(bytes + NET_HDR_LEN, 60, vrig_mac, seed);
	b = fake_out(&v->m, bytes, sizeof(bytes));
	assert_true(fake_vq_add(&v->vq[NET_TX], &b, 1) >= 0);
	vrig_go(v, NET_TX);
}

static void expect_sent(struct reader *r, unsigned seed)
{
	uint8_t want[60];

	vrig_frame(want, sizeof(want), vrig_mac, seed);
	assert_memory_equal(expect_record(r, sizeof(want)), want, sizeof(want));
}

/* And by a pause they come again. */
static void frames_on_their_way_when_a_capture_begins_are_in_it_once(unused void **state)
{
	struct net_backend *wrapper;
	struct fixture f;
	struct reader r;
	struct vrig v;
	char why[128];

	set_up(&f);
	vrig_create(&v, (struct vrig_options){.vq_size = 16});
	fake_net_hold(v.net);
	vrig_up(&v, VRIG_ALL);
	for (unsigned i = 0; i < 3; i++)
		guest_sends(&v, i);
	fake_net_finish(v.net, 1);
	assert_int_equal(net_pcap_wrap(f.path, &v.net->backend, &wrapper, why, sizeof(why)), 0);
	assert_int_equal(net_pcap_begin(wrapper), 0);
	assert_int_equal(virtio_net_use(v.n, wrapper), 0);
	guest_sends(&v, 3);
	virtio_pause(v.dev.core);
	virtio_resume(v.dev.core);
	vrig_pump(&v);
	fake_net_finish(v.net, 3);
	guest_sends(&v, 4);
	assert_int_equal(virtio_net_use(v.n, net_pcap_inner(wrapper)), 0);
	net_pcap_unwrap(wrapper);
	vrig_pump(&v); /* the last one comes once more, unseen */
	fake_net_finish(v.net, 1);
	assert_int_equal(virtio_net_stats(v.n)->tx_frames, 5);
	read_begin(&r, f.path);
	for (unsigned i = 1; i < 5; i++)
		expect_sent(&r, i);
	expect_end(&r);
	vrig_destroy(&v);
	unlink(f.path);
	rmdir(f.dir);
}

static void a_capture_that_cannot_begin_leaves_the_backend_alone(unused void **state)
{
	struct net_backend *wrapper = NULL;
	struct fixture f;
	char why[128];

	set_up(&f);
	f.fake = fake_net_create(0);
	f.b = &f.fake->backend;
	assert_int_equal(f.b->frame->start(f.b, 0, &sink), 0);
	assert_int_equal(net_pcap_wrap("/nowhere/x", f.b, &wrapper, why, sizeof(why)), -ENOENT);
	assert_null(wrapper);
	assert_non_null(strstr(why, "No such file"));
	assert_true(send_frame(&f, 60, 1) > 0);
	tear_down(&f);
}

/* With a reader, and with none. The program's time limit is the judge of a wait. */
static void a_fifo_holds_up_nobody_who_runs(unused void **state)
{
	struct net_backend *wrapper = NULL;
	struct fixture f;
	char why[160];
	int reader = -1;

	set_up(&f);
	f.fake = fake_net_create(0);
	f.b = &f.fake->backend;
	assert_int_equal(mkfifo(f.path, 0600), 0);
	for (unsigned read = 0; read < 2; read++) {
		if (read)
			reader = open(f.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		assert_int_equal(net_pcap_wrap(f.path, f.b, &wrapper, why, sizeof(why)), -ENXIO);
		assert_null(wrapper);
		assert_non_null(strstr(why, "FIFO"));
		assert_int_equal(access(f.path, F_OK), 0);
	}
	close(reader);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_can_begin_and_end_between_two_frames),
		cmocka_unit_test(a_capture_that_cannot_begin_leaves_the_backend_alone),
		cmocka_unit_test(a_fifo_holds_up_nobody_who_runs),
		cmocka_unit_test(both_directions_are_recorded_in_order),
		cmocka_unit_test(largest_frame_is_recorded_whole),
		cmocka_unit_test(frame_that_was_not_taken_is_not_recorded),
		cmocka_unit_test(frames_that_were_taken_back_are_recorded_once),
		cmocka_unit_test(frames_that_do_not_come_again_hide_no_others),
		cmocka_unit_test(frames_on_their_way_when_a_capture_begins_are_in_it_once),
		cmocka_unit_test(killed_process_leaves_a_readable_file),
		cmocka_unit_test(next_driver_goes_on_in_the_same_file),
		cmocka_unit_test(file_that_cannot_be_written_is_named),
		cmocka_unit_test(full_disk_is_named_when_the_capture_begins),
		cmocka_unit_test(capture_that_does_not_begin_leaves_the_file_alone),
		cmocka_unit_test(full_disk_ends_the_capture_and_not_the_network),
		cmocka_unit_test(frame_larger_than_the_streams_buffer_ends_it_too),
		cmocka_unit_test(everything_else_is_handed_through),
		cmocka_unit_test(frames_of_all_pairs_are_in_one_file_whole),
		cmocka_unit_test(a_full_disk_ends_the_capture_of_all_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
