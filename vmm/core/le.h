/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/le.h - little-endian numbers in guest memory and in files, and those of network headers
 *
 * A le16 is not a uint16_t: forgetting a conversion does not compile. All hosts that doorbell runs
 * on are little-endian today, and the compiler removes the conversions there.
 */
#ifndef DOORBELL_LE_H
#define DOORBELL_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct {
	uint16_t raw;
} le16;

typedef struct {
	uint32_t raw;
} le32;

typedef struct {
	uint64_t raw;
} le64;

static inline uint16_t le16_get(le16 v)
{
	return le16toh(v.raw);
}

static inline uint32_t le32_get(le32 v)
{
	return le32toh(v.raw);
}

static inline uint64_t le64_get(le64 v)
{
	return le64toh(v.raw);
}

static inline le16 le16_of(uint16_t v)
{
	return (le16){htole16(v)};
}

static inline le32 le32_of(uint32_t v)
{
	return (le32){htole32(v)};
}

static inline le64 le64_of(uint64_t v)
{
	return (le64){htole64(v)};
}

/* Unaligned access in a byte buffer whose length the caller has checked. */
static inline uint16_t get_le16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void put_le16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* Network byte order, likewise. */
static inline uint16_t get_be16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t get_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline void put_be16(void *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

#endif
