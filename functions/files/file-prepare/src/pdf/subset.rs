//! A document of some pages of another, with what these pages use and no more.

use std::collections::HashSet;
use std::mem;

use lopdf::{Dictionary, Document, Object, ObjectId, StringFormat, dictionary};
use tally_files::domain::Reason;

/// Attributes that a page inherits from the nodes above it.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

/// Attributes that a viewer does not need: threads and structure that lead to other pages, scripts,
/// and data of programs.
const LEFT_OUT: [&[u8]; 6] = [b"B", b"StructParents", b"AA", b"PieceInfo", b"Metadata", b"Thumb"];

/// Nodes above a page, at most.
const MOST_LEVELS: usize = 100;

/// The bytes of a document of these pages. `known` are all pages of the document: an annotation
/// may lead to one of them, and such a reference leads nowhere in the new document.
pub fn write(
    document: &Document,
    pages: &[ObjectId],
    known: &HashSet<ObjectId>,
) -> Result<Vec<u8>, Reason> {
    let mut part = Document::with_version("1.7");
    part.max_id = document.max_id;
    let tree = part.try_new_object_id().map_err(|_| Reason::Unreadable)?;
    let mut open = Vec::new();
    for &id in pages {
        let mut page = Object::Dictionary(page(document, id));
        follow(&mut page, &mut open);
        if let Ok(page) = page.as_dict_mut() {
            page.set("Parent", tree);
        }
        part.objects.insert(id, page);
    }
    let mut catalog = dictionary! { "Type" => "Catalog" };
    // The catalog says which layers are visible.
    if let Ok(layers) = document.catalog().and_then(|catalog| catalog.get(b"OCProperties")) {
        let mut layers = layers.clone();
        follow(&mut layers, &mut open);
        catalog.set("OCProperties", layers);
    }
    while let Some(id) = open.pop() {
        if known.contains(&id) || part.objects.contains_key(&id) {
            continue;
        }
        let Some(object) = document.objects.get(&id).filter(|object| !is_tree(object)) else {
            continue;
        };
        let mut object = object.clone();
        follow(&mut object, &mut open);
        part.objects.insert(id, object);
    }
    let kids: Vec<_> = pages.iter().map(|id| Object::Reference(*id)).collect();
    let count = i64::try_from(kids.len()).map_err(|_| Reason::TooLarge)?;
    let node = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count };
    part.objects.insert(tree, Object::Dictionary(node));
    catalog.set("Pages", tree);
    let root = part.try_add_object(catalog).map_err(|_| Reason::Unreadable)?;
    part.trailer.set("Root", root);
    let mut bytes = Vec::new();
    part.save_to(&mut bytes).map_err(|_| Reason::Unreadable)?;
    Ok(bytes)
}

/// A page with what it inherits, and without its parent. One that cannot be read is blank.
fn page(document: &Document, id: ObjectId) -> Dictionary {
    let mut page = document.get_dictionary(id).cloned().unwrap_or_default();
    let above = |node: &Dictionary| node.get(b"Parent").and_then(Object::as_reference).ok();
    let mut parent = above(&page);
    for _ in 0..MOST_LEVELS {
        let Some(node) = parent.and_then(|id| document.get_dictionary(id).ok()) else { break };
        for name in INHERITED {
            if !page.has(name)
                && let Ok(value) = node.get(name)
            {
                page.set(name, value.clone());
            }
        }
        parent = above(node);
    }
    page.remove(b"Parent");
    for name in LEFT_OUT {
        page.remove(name);
    }
    page.set("Type", "Page");
    page
}

/// Whether an object is a node of the page tree, which leads to all pages.
fn is_tree(object: &Object) -> bool {
    object.as_dict().is_ok_and(|node| node.has_type(b"Pages"))
}

/// Collects what an object refers to, and gives it a form that can be written quickly and rightly.
/// The parser bounds how deep objects are nested.
fn follow(object: &mut Object, open: &mut Vec<ObjectId>) {
    match object {
        Object::Reference(id) => open.push(*id),
        Object::Array(items) => items.iter_mut().for_each(|item| follow(item, open)),
        Object::Dictionary(dictionary) => follow_all(dictionary, open),
        Object::Stream(stream) => {
            // This sets the length. It may have been wrong, or an object of its own.
            let content = mem::take(&mut stream.content);
            stream.set_content(content);
            follow_all(&mut stream.dict, open);
        }
        // The other format is escaped in quadratic time.
        Object::String(_, format) => *format = StringFormat::Hexadecimal,
        _ => {}
    }
}

fn follow_all(dictionary: &mut Dictionary, open: &mut Vec<ObjectId>) {
    dictionary.iter_mut().for_each(|(_, value)| follow(value, open));
}
