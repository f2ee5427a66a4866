/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/mptable.h"

#include <string.h>

#include "arch/x86_64/layout.h"
#include "arch/x86_64/zero_sum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define packed __attribute__((packed))

#define NR_ISA_IRQS 16u
#define SPEC_REV    4u /* 1.4 */

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_INTERRUPT, MP_LOCAL_INTERRUPT };
enum { INT_VECTORED = 0, INT_NMI = 1, INT_EXTINT = 3 };

struct packed mp_pointer { /* 4.1 */
	char signature[4];
	le32 table;
	uint8_t length; /* in 16 bytes */
	uint8_t spec_rev;
	uint8_t checksum;
	uint8_t features[5]; /* 0: there is a table */
};

struct packed mp_header { /* 4.2 */
	char signature[4];
	le16 length;
	uint8_t spec_rev;
	uint8_t checksum;
	char oem_id[8];
	char product_id[12];
	le32 oem_table;
	le16 oem_table_size;
	le16 nr_entries;
	le32 local_apic;
	le32 extended;
};

struct packed mp_processor { /* 4.3.1 */
	uint8_t type;
	uint8_t apic_id, apic_version;
	uint8_t flags; /* 1: enabled, 2: the first one */
	le32 signature, features;
	le32 reserved[2];
};

struct packed mp_bus { /* 4.3.2 */
	uint8_t type, id;
	char name[6];
};

struct packed mp_ioapic { /* 4.3.3 */
	uint8_t type;
	uint8_t apic_id, version;
	uint8_t flags; /* 1: enabled */
	le32 address;
};

struct packed mp_interrupt { /* 4.3.4, 4.3.5 */
	uint8_t type, kind;
	le16 flags; /* 0: as the bus does it, for ISA a rising edge */
	uint8_t bus, irq;
	uint8_t apic_id, pin;
};

struct packed mp_tail {
	struct mp_bus isa;
	struct mp_ioapic ioapic;
	struct mp_interrupt irq[NR_ISA_IRQS];
	struct mp_interrupt lint[2];
};

static void fill_tail(struct mp_tail *t, uint8_t ioapic_id)
{
	t->isa = (struct mp_bus){.type = MP_BUS};
	memcpy(t->isa.name, "ISA   ", sizeof(t->isa.name));
	t->ioapic = (struct mp_ioapic){
		.type = MP_IOAPIC,
		.apic_id = ioapic_id,
		.version = 0x11,
		.flags = 1,
		.address = le32_of(u32_of(LAYOUT_IOAPIC)),
	};
	for (unsigned i = 0; i < NR_ISA_IRQS; i++)
		t->irq[i] = (struct mp_interrupt){.type = MP_INTERRUPT,
		                                  .kind = INT_VECTORED,
		                                  .irq = u8_of(i),
		                                  .apic_id = ioapic_id,
		                                  .pin = u8_of(i)};
	t->lint[0] = (struct mp_interrupt){.type = MP_LOCAL_INTERRUPT, .kind = INT_EXTINT};
	t->lint[1] = (struct mp_interrupt){.type = MP_LOCAL_INTERRUPT,
	                                   .kind = INT_NMI,
	                                   .apic_id = 0xff, /* all CPUs */
	                                   .pin = 1};
}

size_t mptable_build(unsigned nr_cpus, void *area, size_t size, gpa_t at)
{
	const size_t cpus_bytes = nr_cpus * sizeof(struct mp_processor);
	const size_t table_bytes = sizeof(struct mp_header) + cpus_bytes + sizeof(struct mp_tail);
	struct mp_pointer *p = area;
	struct mp_header *h = (struct mp_header *)(p + 1);
	struct mp_processor *cpu = (struct mp_processor *)(h + 1);

	if (size < sizeof(*p) + table_bytes)
		return 0;
	for (unsigned i = 0; i < nr_cpus; i++)
		cpu[i] = (struct mp_processor){.type = MP_PROCESSOR,
		                               .apic_id = u8_of(i),
		                               .apic_version = 0x14,
		                               .flags = i == 0 ? 3 : 1};
	fill_tail((struct mp_tail *)(cpu + nr_cpus), u8_of(nr_cpus));
	*h = (struct mp_header){
		.length = le16_of(u16_of(table_bytes)),
		.spec_rev = SPEC_REV,
		.nr_entries = le16_of(u16_of(nr_cpus + 2 + NR_ISA_IRQS + 2)),
		.local_apic = le32_of(u32_of(LAYOUT_LAPIC)),
	};
	memcpy(h->signature, "PCMP", sizeof(h->signature));
	memcpy(h->oem_id, "DOORBELL", sizeof(h->oem_id));
	memcpy(h->product_id, "DOORBELL    ", sizeof(h->product_id));
	h->checksum = zero_sum(h, table_bytes);
	*p = (struct mp_pointer){
		.table = le32_of(u32_of(at + sizeof(*p))),
		.length = 1,
		.spec_rev = SPEC_REV,
	};
	memcpy(p->signature, "_MP_", sizeof(p->signature));
	p->checksum = zero_sum(p, sizeof(*p));
	return sizeof(*p) + table_bytes;
}
