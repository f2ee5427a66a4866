/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/console_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "devices/uart16550.h"
#include "vmm/console.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

#define PATIENCE_MS 20000 /* for what must come; reached only by a failing test */

void on_quit(void *arg)
{
	struct console_rig *r = arg;

	sem_post(&r->quit);
}

int console_rig_setup(void **state)
{
	static struct console_rig rig; /* one case at a time */

	memset(&rig, 0, sizeof(rig));
	rig.far_in = rig.far_out = -1;
	rig.old_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	rig.old_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	signal(SIGPIPE, SIG_IGN);
	sem_init(&rig.quit, 0, 0);
	*state = &rig;
	return rig.old_out < 0 ? -1 : loop_create(&rig.loop);
}

static void give_back_stdio(struct console_rig *r)
{
	assert_int_equal(dup2(r->old_out, STDOUT_FILENO), STDOUT_FILENO);
	if (r->old_in >= 0)
		assert_int_equal(dup2(r->old_in, STDIN_FILENO), STDIN_FILENO);
}

/* The end of the guest. Stdio is the test's again afterwards. */
void end_guest(struct console_rig *r)
{
	loop_thread_stop(r->loop);
	console_attach(r->c, NULL);
	uart16550_destroy(r->u);
	console_destroy(r->c);
	r->u = NULL;
	r->c = NULL;
	give_back_stdio(r);
}

int console_rig_teardown(void **state)
{
	struct console_rig *r = *state;

	if (r->c || r->u)
		end_guest(r);
	give_back_stdio(r);
	loop_destroy(r->loop);
	fd_close(&r->far_in);
	fd_close(&r->far_out);
	fd_close(&r->old_in);
	fd_close(&r->old_out);
	sem_destroy(&r->quit);
	return 0;
}

void use_as(int fd, int as)
{
	assert_int_equal(dup2(fd, as), as);
	close(fd);
}

void pipe_as_stdin(struct console_rig *r)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	r->far_in = p[1];
	use_as(p[0], STDIN_FILENO);
}

void pipe_as_stdout(struct console_rig *r)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	r->far_out = p[0];
	use_as(p[1], STDOUT_FILENO);
}

void file_as_stdin(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	use_as(fd, STDIN_FILENO);
}

/* far_in and far_out are the master's; stdin and stdout the terminal. */
void pty_as_stdio(struct console_rig *r)
{
	int tty;

	assert_int_equal(openpty(&r->far_in, &tty, NULL, NULL, NULL), 0);
	r->far_out = fcntl(r->far_in, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(tty, STDOUT_FILENO), STDOUT_FILENO);
	use_as(tty, STDIN_FILENO);
}

static void start_on_loop(void *arg)
{
	struct console_rig *r = arg;

	assert_int_equal(console_start(r->c), 0);
}

static void make_port(struct console_rig *r)
{
	struct uart16550_config uart = {.put = NULL};

	console_connect(r->c, &uart);
	assert_int_equal(uart16550_create(&uart, &r->u), 0);
	console_attach(r->c, r->u);
}

void make_guest(struct console_rig *r)
{
	assert_int_equal(console_create(&r->cfg, r->loop, on_quit, r, &r->c), 0);
	make_port(r);
}

void begin_guest(struct console_rig *r)
{
	make_guest(r);
	assert_int_equal(loop_thread_start(r->loop, "console"), 0);
	loop_call(r->loop, start_on_loop, r);
}

/* A reboot: another port on the same console. */
void next_life(struct console_rig *r)
{
	loop_thread_stop(r->loop);
	console_attach(r->c, NULL);
	uart16550_destroy(r->u);
	make_port(r);
	loop_unstop(r->loop);
	assert_int_equal(loop_thread_start(r->loop, "console"), 0);
}

void guest_says(struct console_rig *r, const char *text)
{
	for (; *text; text++)
		uart16550_bus_ops.write(r->u, UART_TX, 1, (uint8_t)*text);
}

void guest_listens(struct console_rig *r)
{
	uart16550_bus_ops.write(r->u, UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	uart16550_bus_ops.write(r->u, UART_IER, 1, UART_IER_RDI);
}

uint8_t guest_hears(struct console_rig *r)
{
	while (!(uart16550_bus_ops.read(r->u, UART_LSR, 1) & UART_LSR_DR))
		sched_yield();
	return (uint8_t)uart16550_bus_ops.read(r->u, UART_RX, 1);
}

void assert_guest_hears(struct console_rig *r, const char *text)
{
	for (; *text; text++)
		assert_int_equal(guest_hears(r), *text);
}

void type(struct console_rig *r, const char *text)
{
	assert_int_equal(fd_write_all(r->far_in, text, strlen(text)), 0);
}

/* Reads exactly as much as @text is long. */
void assert_seen(int fd, const char *text)
{
	char buf[512];
	size_t want = strlen(text);
	size_t len = 0;

	assert_true(want < sizeof(buf));
	while (len < want) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
		n = read(fd, buf + len, want - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	buf[len] = '\0';
	assert_string_equal(buf, text);
}

bool is_raw(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}
