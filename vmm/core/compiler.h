/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/compiler.h - the few words that C11 lacks */
#ifndef DOORBELL_COMPILER_H
#define DOORBELL_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The object of @type whose member @member is at @ptr. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The mask of a feature bit number. Variables hold masks; this is the only spelling of one. */
#define FEATURE(bit) (UINT64_C(1) << (bit))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define WARN_UNUSED             __attribute__((warn_unused_result))

/* For parameters that an ops table hands over and this implementation does not need. */
#define unused __attribute__((unused))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* @a rounded up to a multiple of @align, a power of two. Wraps at 2^64: check before. */
static inline uint64_t align_up(uint64_t a, uint64_t align)
{
	return (a + align - 1) & ~(align - 1);
}

static inline bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Narrowing on purpose, for values whose range the caller has checked. */
static inline uint32_t u32_of(uint64_t v)
{
	return (uint32_t)(v & UINT32_MAX);
}

static inline uint16_t u16_of(uint64_t v)
{
	return (uint16_t)(v & UINT16_MAX);
}

static inline uint8_t u8_of(uint64_t v)
{
	return (uint8_t)(v & UINT8_MAX);
}

#endif
