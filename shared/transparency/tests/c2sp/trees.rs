//! Tiles and proofs of whole logs, against RFC 6962's definitions and known values.

use std::collections::BTreeSet;
use std::convert::Infallible;

use transparency::{
    Edge, Frontier, Hash, InvalidProof, Plan, PlanError, SIZE_LIMIT, Tile, TileError, hash_tiles,
    verify_consistency, verify_inclusion,
};

use crate::definitions::Definitions;
use crate::log::Log;

/// The largest log of these tests: three tiles.
const SIZE: usize = 600;

// Subtrees of the known trees, by their first and last leaf.
const OF_0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const OF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const OF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const OF_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const OF_0_TO_1: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const OF_2_TO_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const OF_4_TO_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const OF_6_TO_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const OF_0_TO_3: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const OF_4_TO_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn hash(text: &str) -> Hash {
    <[u8; 32]>::try_from(hex(text)).unwrap().into()
}

/// Places up to `last` at which something changes, and some between.
fn places(last: usize) -> BTreeSet<usize> {
    let places = [0, 1, 2, 255, 256, 257, 511, 512, last / 2, last.saturating_sub(1), last];
    places.into_iter().filter(|place| *place <= last).collect()
}

/// Entries, roots and proofs of the Certificate Transparency project's test data.
#[test]
fn known_trees_have_their_known_roots_and_proofs() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    .map(|data| Hash::leaf(&hex(data)));
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    .map(hash);
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), roots[0]);
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        frontier.push(*leaf);
        assert_eq!(frontier.root(), *root, "{} entries", frontier.size());
    }
    for (index, size, proof) in [
        (0, 1, &[][..]),
        (0, 8, &[OF_1, OF_2_TO_3, OF_4_TO_7]),
        (5, 8, &[OF_4, OF_6_TO_7, OF_0_TO_3]),
        (2, 3, &[OF_0_TO_1]),
        (1, 5, &[OF_0, OF_2_TO_3, OF_4]),
    ] {
        let proof: Vec<_> = proof.iter().map(|text| hash(text)).collect();
        let root = roots[size];
        verify_inclusion(leaves[index], index as u64, size as u64, &proof, root).unwrap();
    }
    for (old, new, proof) in [
        (1, 1, &[][..]),
        (1, 8, &[OF_1, OF_2_TO_3, OF_4_TO_7]),
        (6, 8, &[OF_4_TO_5, OF_6_TO_7, OF_0_TO_3]),
        (2, 5, &[OF_2_TO_3, OF_4]),
        (6, 7, &[OF_4_TO_5, OF_6, OF_0_TO_3]),
    ] {
        let proof: Vec<_> = proof.iter().map(|text| hash(text)).collect();
        verify_consistency(old as u64, roots[old], new as u64, roots[new], &proof).unwrap();
    }
}

#[test]
fn the_root_is_the_same_by_definition_by_tiles_by_edge_and_by_frontier() {
    let log = Log::of(SIZE);
    let mut definitions = Definitions::new(&log.leaves);
    let mut frontier = Frontier::default();
    for end in 0..=SIZE {
        let (root, size) = (definitions.root(0, end), end as u64);
        assert_eq!((frontier.root(), frontier.size()), (root, size));
        assert_eq!(Plan::root(size).hashes(|tile| log.read(tile)).unwrap(), [root], "{size}");
        let edge = Edge::read(size, |tile| log.read(tile)).unwrap();
        assert_eq!((edge.root(), edge.size()), (root, size));
        if let Some(leaf) = log.leaves.get(end) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn inclusion_is_proven_as_defined_and_by_nothing_else() {
    let log = Log::of(SIZE);
    let mut definitions = Definitions::new(&log.leaves);
    for size in 1..=SIZE {
        let root = definitions.root(0, size);
        for index in places(size - 1) {
            let expected = definitions.path(index, 0, size);
            let leaf = log.leaves[index];
            let (index, size) = (index as u64, size as u64);
            let plan = Plan::inclusion(index, size).unwrap();
            let proof = plan.hashes(|tile| log.read(tile)).unwrap();
            assert_eq!(proof, expected, "{index} of {size}");
            assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));
            let refused = |leaf, index, size, proof: &[Hash], root| {
                let verified = verify_inclusion(leaf, index, size, proof, root);
                assert_eq!(verified, Err(InvalidProof), "{index} of {size}: {proof:?}");
            };
            refused(Hash::EMPTY, index, size, &proof, root);
            refused(leaf, index, size, &proof, Hash::EMPTY);
            refused(leaf, index + 1, size, &proof, root);
            refused(leaf, index ^ 2, size, &proof, root);
            refused(leaf, index, size * 2, &proof, root);
            refused(leaf, index, size / 2, &proof, root);
            refused(leaf, u64::MAX, size, &proof, root);
            refused(leaf, index, u64::MAX, &proof, root);
            // Larger trees have no other shapes of proofs, only longer ones.
            let wrong = if size < 130 { wrong_proofs(&proof, root) } else { Vec::new() };
            for wrong in wrong {
                refused(leaf, index, size, &wrong, root);
            }
        }
    }
}

#[test]
fn growth_is_proven_as_defined_and_by_nothing_else() {
    let log = Log::of(SIZE);
    let mut definitions = Definitions::new(&log.leaves);
    for new in 0..=SIZE {
        let new_root = definitions.root(0, new);
        for old in places(new) {
            let old_root = definitions.root(0, old);
            let expected =
                if old == 0 { Vec::new() } else { definitions.subproof(old, 0, new, true) };
            let (old, new) = (old as u64, new as u64);
            let plan = Plan::consistency(old, new).unwrap();
            let proof = plan.hashes(|tile| log.read(tile)).unwrap();
            assert_eq!(proof, expected, "{old} to {new}");
            assert_eq!(verify_consistency(old, old_root, new, new_root, &proof), Ok(()));
            let refused = |old, old_root, new, new_root, proof: &[Hash]| {
                let verified = verify_consistency(old, old_root, new, new_root, proof);
                assert_eq!(verified, Err(InvalidProof), "{old} to {new}: {proof:?}");
            };
            refused(old, Hash::leaf(b"another"), new, new_root, &proof);
            let wrong = if new < 130 { wrong_proofs(&proof, new_root) } else { Vec::new() };
            for wrong in wrong {
                refused(old, old_root, new, new_root, &wrong);
            }
            if old == 0 || old == new {
                continue;
            }
            refused(old, old_root, new, Hash::EMPTY, &proof);
            refused(old, new_root, new, old_root, &proof);
            refused(new, new_root, old, old_root, &proof);
            refused(old + 1, old_root, new, new_root, &proof);
            refused(old - 1, old_root, new, new_root, &proof);
            refused(old, old_root, new * 2, new_root, &proof);
            refused(old, old_root, u64::MAX, new_root, &proof);
        }
    }
}

/// Proofs that differ from a right one.
fn wrong_proofs(proof: &[Hash], root: Hash) -> Vec<Vec<Hash>> {
    let mut wrong = vec![[proof, &[root]].concat(), [&[root][..], proof].concat()];
    for place in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[place] = Hash::leaf(b"another");
        let mut without = proof.to_vec();
        without.remove(place);
        wrong.extend([changed, without]);
        if place > 0 && proof[place] != proof[place - 1] {
            let mut swapped = proof.to_vec();
            swapped.swap(place - 1, place);
            wrong.push(swapped);
        }
    }
    wrong
}

#[test]
fn a_seal_writes_the_tiles_that_are_new_and_no_others() {
    let log = Log::of(SIZE);
    let files: BTreeSet<_> = log.files.keys().copied().collect();
    for old in places(SIZE) {
        for new in places(SIZE).into_iter().filter(|new| *new >= old) {
            let mut edge = Edge::read(old as u64, |tile| log.read(tile)).unwrap();
            let written = edge.append(log.leaves[old..new].iter().copied());
            let tiles: BTreeSet<_> = written.iter().map(|file| file.tile).collect();
            assert_eq!(tiles.len(), written.len());
            let before: BTreeSet<_> = hash_tiles(old as u64).collect();
            let after: BTreeSet<_> = hash_tiles(new as u64).collect();
            assert_eq!(tiles, &after - &before, "{old} to {new}");
            assert!(tiles.is_subset(&files));
            for file in &written {
                assert_eq!(log.files[&file.tile], file.bytes, "{}", file.tile);
            }
            assert_eq!(edge, Edge::read(new as u64, |tile| log.read(tile)).unwrap());
        }
    }
}

/// The values come from another implementation of the specification, in Python.
#[test]
fn a_log_of_70000_entries_has_the_files_that_another_implementation_gives() {
    let mut edge = Edge::default();
    let mut frontier = Frontier::default();
    let mut files = Vec::new();
    for number in 0..70_000 {
        let leaf = Hash::leaf(format!("entry {number}").as_bytes());
        frontier.push(leaf);
        files.extend(edge.push(leaf));
    }
    files.extend(edge.partial_tiles());
    files.sort_by_key(|file| file.tile);
    assert!(files.iter().map(|file| file.tile).eq(hash_tiles(70_000)));
    let root = "o5IPun8jmgcam9EHIfE0Gt3vuu3ttBx+JEN6nRa98Ao=";
    assert_eq!([edge.root().to_string(), frontier.root().to_string()], [root, root]);
    let all: Vec<_> = files
        .iter()
        .flat_map(|file| [format!("{}\n", file.tile).as_bytes(), &file.bytes].concat())
        .collect();
    let digest = Hash::leaf(&all).to_string();
    assert_eq!(digest, "q+j+zcqOIj4u5E1HOJlbE9FmNrMu7/2qGEOmqips8sw=");
}

#[test]
fn a_tile_that_is_missing_or_has_another_length_gives_no_proof() {
    let mut log = Log::of(300);
    let plan = Plan::inclusion(7, 300).unwrap();
    let tiles: Vec<_> = plan.tiles().iter().map(Tile::to_string).collect();
    assert_eq!(tiles, ["tile/0/000", "tile/0/001.p/44"]);

    let partial: Tile = "tile/0/001.p/44".parse().unwrap();
    for bytes in [0, 31, 43 * 32, 44 * 32 - 1, 44 * 32 + 1, 45 * 32, 256 * 32] {
        log.files.insert(partial, vec![0; bytes]);
        let expected = TileError::Length { tile: partial, bytes };
        assert_eq!(plan.hashes(|tile| log.read(tile)), Err(expected.clone()));
        assert_eq!(Edge::read(300, |tile| log.read(tile)), Err(expected));
    }
    log.files.remove(&partial);
    let missing = TileError::Read("tile/0/001.p/44 is not there".to_owned());
    assert_eq!(plan.hashes(|tile| log.read(tile)), Err(missing.clone()));
    assert_eq!(Edge::read(300, |tile| log.read(tile)), Err(missing));
    // A proof reads nothing that it does not need.
    let plan = Plan::consistency(256, 300).unwrap();
    assert!(plan.hashes(|tile| log.read(tile)).is_err());
    let plan = Plan::inclusion(255, 256).unwrap();
    assert!(plan.hashes(|tile| log.read(tile)).is_ok());
}

#[test]
fn sizes_without_sense_are_errors_and_need_no_memory() {
    assert_eq!(Plan::inclusion(1, 1), Err(PlanError::NoEntry { index: 1, size: 1 }));
    assert_eq!(Plan::inclusion(0, 0), Err(PlanError::NoEntry { index: 0, size: 0 }));
    assert_eq!(Plan::consistency(2, 1), Err(PlanError::Shrinks { old: 2, new: 1 }));
    let zeros = |tile: Tile| Ok::<_, Infallible>(vec![0_u8; tile.width() * 32]);
    for plan in [
        Plan::root(u64::MAX),
        Plan::inclusion(0, u64::MAX).unwrap(),
        Plan::inclusion(u64::MAX - 1, u64::MAX).unwrap(),
        Plan::consistency(1, u64::MAX).unwrap(),
        Plan::consistency(u64::MAX - 1, u64::MAX).unwrap(),
        Plan::consistency(u64::MAX / 2, u64::MAX).unwrap(),
    ] {
        assert!(plan.tiles().len() <= 16, "{:?}", plan.tiles());
        // RFC 6962: a proof of consistency has at most ceil(log2(n)) + 1 hashes.
        assert!(plan.hashes(zeros).unwrap().len() <= 65);
    }
    for size in [SIZE_LIMIT + 1, u64::MAX] {
        assert_eq!(Edge::read(size, zeros), Err(TileError::Size(size)));
    }
    let mut edge = Edge::read(SIZE_LIMIT - 1, zeros).unwrap();
    let files = edge.append([Hash::EMPTY, Hash::EMPTY]);
    assert_eq!(files.len(), 9, "seven full tiles, then a new partial one of levels 0 and 7");
    let proof = vec![Hash::EMPTY; 100];
    for size in [0, 1, 1 << 63, u64::MAX] {
        let root = Hash::EMPTY;
        assert!(verify_inclusion(root, 0, size, &proof, root).is_err());
        assert!(verify_inclusion(root, size, size, &[], root).is_err());
        assert!(verify_consistency(0, root, size, root, &proof).is_err());
        assert!(verify_consistency(1, root, size, root, &proof).is_err());
        assert!(verify_consistency(size, root, u64::MAX, root, &proof).is_err());
    }
}
