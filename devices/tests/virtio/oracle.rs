//! Chains as rust-vmm's `virtio-queue` reads them, from the same RAM.

use crate::driver::{INDIRECT, NEXT, SIZE, W, WRITE, areas, start_registers};
use crate::ram::{self, BASE, Ram};
use devices::virtio::{Chain, Transport};
use proptest::prelude::*;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Indirect tables are here.
const TABLES: u64 = BASE + 0x800;

/// A buffer: address, length, writable.
type Buffer = (u64, u32, bool);

/// The first chain, by the oracle; nothing if it finds none.
fn oracle(ram: &Ram) -> Option<(u16, Vec<Buffer>)> {
    let memory: GuestMemoryMmap = GuestMemoryMmap::from_ranges(&[(GuestAddress(BASE), ram::SIZE as usize)]).unwrap();
    memory.write_slice(&ram.bytes(), GuestAddress(BASE)).unwrap();
    let [table, avail, used] = areas(0);
    let mut queue = Queue::new(SIZE).unwrap();
    queue.set_desc_table_address(Some(table as u32), Some(0));
    queue.set_avail_ring_address(Some(avail as u32), Some(0));
    queue.set_used_ring_address(Some(used as u32), Some(0));
    queue.set_ready(true);
    let chain = queue.pop_descriptor_chain(&memory)?;
    let head = chain.head_index();
    Some((head, chain.map(|d| (d.addr().0, d.len(), d.is_write_only())).collect()))
}

fn buffers(chain: &Chain) -> Vec<Buffer> {
    let readable = chain.readable().iter().map(|s| (s.address, s.length, false));
    readable.chain(chain.writable().iter().map(|s| (s.address, s.length, true))).collect()
}

/// The first chain, by ours.
fn ours(ram: &Ram) -> Result<Option<Chain>, devices::virtio::Broken> {
    let mut transport = Transport::<1>::new(3, 0);
    for (offset, value) in start_registers(&[0], 0) {
        let _ = transport.write(offset, W, value);
    }
    transport.queue(0).unwrap().next(ram, true)
}

fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> [u8; 16] {
    let word = u128::from(address) | u128::from(length) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
    word.to_le_bytes()
}

/// A well-formed table that starts with `count` buffers, `readable` of them first.
fn good_table(buffers: &[(u64, u32)], readable: usize) -> Vec<u8> {
    let last = buffers.len() - 1;
    let entry = |(n, (address, length)): (usize, &(u64, u32))| {
        let flags = if n < readable { 0 } else { WRITE } | if n < last { NEXT } else { 0 };
        descriptor(*address, *length, flags, n as u16 + 1)
    };
    buffers.iter().enumerate().flat_map(entry).collect()
}

/// A descriptor that may be anything, mostly something near to sense.
fn any_descriptor() -> impl Strategy<Value = [u8; 16]> {
    let address = prop_oneof![Just(TABLES), (0..0x100u64).prop_map(|n| TABLES + 16 * n), any::<u64>()];
    let length = prop_oneof![(0..8u32).prop_map(|n| n * 16), any::<u32>()];
    (address, length, 0..8u16, 0..SIZE + 2)
        .prop_map(|(address, length, flags, next)| descriptor(address, length, flags, next))
}

proptest! {
    #[test]
    fn well_formed_chain_is_read_as_the_oracle_reads_it(
        buffers_ in prop::collection::vec((BASE..BASE + ram::SIZE, 1..4096u32), 1..=SIZE as usize),
        readable in 0..=SIZE as usize,
        indirect: bool,
    ) {
        let ram = Ram::new();
        let table = good_table(&buffers_, readable);
        if indirect {
            ram.put(TABLES, &table);
            ram.put(areas(0)[0], &descriptor(TABLES, table.len() as u32, INDIRECT, 0));
        } else {
            ram.put(areas(0)[0], &table);
        }
        ram.put(areas(0)[1] + 2, &1u16.to_le_bytes());

        let chain = ours(&ram).unwrap().unwrap();

        prop_assert_eq!(Some((chain.head, buffers(&chain))), oracle(&ram));
        prop_assert_eq!(buffers(&chain).len(), buffers_.len());
    }

    #[test]
    fn any_table_is_refused_or_read_as_the_oracle_reads_it(
        direct in prop::collection::vec(any_descriptor(), SIZE as usize),
        tables in prop::collection::vec(any_descriptor(), 32),
        head in 0..SIZE + 1,
        available in 0..SIZE + 2,
    ) {
        let ram = Ram::new();
        ram.put(areas(0)[0], &direct.concat());
        ram.put(TABLES, &tables.concat());
        ram.put(areas(0)[1] + 2, &available.to_le_bytes());
        ram.put(areas(0)[1] + 4, &head.to_le_bytes());

        if let Ok(Some(chain)) = ours(&ram) {
            prop_assert_eq!(Some((chain.head, buffers(&chain))), oracle(&ram));
        }
    }
}
