"""Croissant metadata of an edition: what is in its files, in the vocabulary that data search engines read."""

from __future__ import annotations

from typing import Any

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.prepare.card import biases, version
from galaxy_zoo_decals.prepare.features import edition_features, flag
from galaxy_zoo_decals.schema import CLASSES, SPLITS, VIEWS, Tree

RECORDS = "galaxies"
"""The one set of records: all columns of all views, a galaxy a row."""

SHARDS = "shards"

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of Croissant 1.0 as its readers expect it."""

TYPES = {
    "string": "sc:Text", "bool": "sc:Boolean", "int16": "cr:Int16", "float32": "cr:Float32", "float64": "cr:Float64",
}  # fmt: skip


def croissant(edition: Edition, repo: str) -> dict[str, Any]:
    """Return the metadata of an edition that lies in a repository of the Hub, as JSON-LD (Croissant 1.0).

    Rows of a view are those whose flag is true: Croissant knows no
    filters, so the views' columns stand in one set of records, flags among them.
    """
    facts: dict[str, Any] = edition.facts
    tree = edition.tree
    page = f"https://huggingface.co/datasets/{repo}"
    licence = str(facts["licence"])
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": edition.name,
        "description": f"{edition.title}. {facts['source']['description']}",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": licence if licence == "other" else f"https://spdx.org/licenses/{licence}.html",
        "citeAs": facts["citation"],
        "url": page,
        "version": version(facts),
        "keywords": ["astronomy", "galaxies", "morphology", "Galaxy Zoo"],
        "rai:dataBiases": biases(facts),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "repo",
                "name": "repo",
                "description": "The repository on the Hugging Face Hub.",
                "contentUrl": page,
                "encodingFormat": "git+https",
                # A repository has no checksum of its own; this address is what the Hub's own metadata puts there.
                "sha256": "https://github.com/mlcommons/croissant/issues/80",
            },
            {
                "@type": "cr:FileSet",
                "@id": SHARDS,
                "containedIn": {"@id": "repo"},
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            _listing("splits", "cr:Split", SPLITS),
            _listing("classes", "sc:Enumeration", CLASSES),
            _listing("labels", "sc:Enumeration", tree.label_names),
            {
                "@type": "cr:RecordSet",
                "@id": RECORDS,
                "name": RECORDS,
                "description": "A galaxy a row; the rows of a view are those whose flag is true.",
                "key": {"@id": f"{RECORDS}/iauname"},
                "field": [
                    _field(f"{RECORDS}/{name}", name, feature, describe(name, tree), [])
                    for name, feature in edition_features(tree, tuple(facts["extra_columns"])).items()
                ],
            },
        ],
    }


def _listing(name: str, kind: str, values: tuple[str, ...]) -> dict[str, Any]:
    """Return a set of records that lists the names something can have, in the order that numbers them."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": f"{name}/name"},
        "field": [{"@type": "cr:Field", "@id": f"{name}/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{f"{name}/name": value} for value in values],
    }


def _field(place: str, column: str, feature: Any, words: str, path: list[str]) -> dict[str, Any]:
    """Return a column, or what lies at ``path`` in one, as a field."""
    from datasets import ClassLabel, Image, List

    name = place.rsplit("/", 1)[-1]
    field: dict[str, Any] = {"@type": "cr:Field", "@id": place, "name": name, "description": words}
    if isinstance(feature, dict):
        parts = [
            _field(f"{place}/{inner}", column, kind, f"{words} {inner}", [*path, inner])
            for inner, kind in feature.items()
        ]
        return field | {"subField": parts}
    repeated = isinstance(feature, List)
    kind = feature.feature if repeated else feature
    source: dict[str, Any] = {"fileSet": {"@id": SHARDS}, "extract": {"column": column}}
    if isinstance(kind, Image):
        field["dataType"], path = "sc:ImageObject", ["bytes"]
    elif isinstance(kind, ClassLabel):
        field["dataType"] = "sc:Integer"
        field["description"] = f"{words} ({', '.join(f'{i} {n}' for i, n in enumerate(kind.names))}; -1 none)"
    else:
        field["dataType"] = TYPES[kind.dtype]
    if path:
        source["transform"] = {"jsonPath": ".".join(f'"{step}"' for step in path)}
    if repeated:
        field["repeated"] = True
    if column == "split":
        field["references"] = {"field": {"@id": "splits/name"}}
    return field | {"source": source}


def describe(column: str, tree: Tree) -> str:
    """Return what a column of an edition holds, in a few words."""
    if column in WORDS:
        return WORDS[column]
    for q in tree.questions:
        if column == q.total:
            return f"Votes for all answers of: {q.text}"
        if column == q.published:
            return f"Votes as published, those for answers that it no longer has among them, of: {q.text}"
        if column == q.lost:
            return f"Published votes for answers that it no longer has, of: {q.text}"
        if column in q.columns:
            return f"Votes for {q.answers[q.columns.index(column)]!r} of: {q.text}"
    for view in VIEWS:
        if column == flag(view):
            return f"Whether the galaxy is in the view {view}."
    if column.startswith("share_"):
        return f"Share of {column.removeprefix('share_')!r} in the votes, multiplied down the tree."
    return f"{column}, given by the source of this edition."


WORDS = {
    "iauname": "Name of the galaxy, after its position.",
    "image": "Cutout in g, r and z, scaled to the galaxy.",
    "ra": "Right ascension in degrees.",
    "dec": "Declination in degrees.",
    "redshift": "Redshift.",
    "mag_r": "Apparent magnitude in r.",
    "petro_th50": "Radius that holds half of the Petrosian flux, in arcsec.",
    "petro_th90": "Radius that holds 90 % of the Petrosian flux, in arcsec.",
    "petro_theta": "Petrosian radius in arcsec.",
    "upload_group": "Why the galaxy was shown to volunteers.",
    "random_selection": "Whether the galaxy was chosen at random.",
    "wrong_size_warning": "Whether the field of view may be wrong.",
    "split": "train, validation or test.",
    "scored": "Whether metrics use the galaxy.",
    "label": "The class.",
    "confidence": "The largest class share.",
    "confident": "Whether that share is over 0.6.",
    "labels": "The labels that are true.",
    "asked": "The labels whose question was asked; others are unknown, not negative.",
    "fractions": "The fraction of every label.",
    "answers": "The most voted answer of",
    "answer_fractions": "The fraction of the most voted answer of",
    "relevance": "The product of the fractions on the way to",
    "path": "The most voted answers from the root of the tree.",
}
