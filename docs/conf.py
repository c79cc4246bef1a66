"""How Sphinx makes the site: ``make docs``. Warnings are errors, and nothing is fetched."""

from importlib.metadata import version as version_of

import latex2mathml.converter
import matplotlib as mpl
from docutils import nodes
from sphinx_gallery.sorting import ExplicitOrder

mpl.use("agg")

project = "coupled-nmf"
author = "coupled-nmf contributors"
copyright = "the coupled-nmf contributors, BSD-3-Clause"
version = release = version_of("coupled-nmf")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinxarg.ext",
]
templates_path = ["templates"]
exclude_patterns = ["_build", "examples", "**/GALLERY_HEADER.rst"]
default_role = "py:obj"  # names in docstrings link to what they name

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # functions in the gallery's settings are not pickled

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say them, with shapes
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(demo_|__init__)",
    "subsection_order": ExplicitOrder(["examples/data", "examples/networks", "examples/scale"]),
    "within_subsection_order": "ExampleTitleSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),  # what an example says, it prints
    "show_signature": False,
    "download_all_examples": False,
    "copyfile_regex": r".*\.rst",
    "backreferences_dir": "reference/used_in",
    "doc_module": ("coupled_nmf", "cnn_probe"),
    "reference_url": {"coupled_nmf": None, "cnn_probe": None},
    "remove_config_comments": True,
    "nested_sections": False,
}

html_math_renderer = "mathml"  # which browsers draw themselves, offline too
html_theme = "pydata_sphinx_theme"
html_title = f"coupled-nmf {release}"
html_short_title = "coupled-nmf"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_nav_level": 1,
    "header_links_before_dropdown": 8,
    "secondary_sidebar_items": ["page-toc"],
    "article_footer_items": [],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
}


def in_line(writer, node):
    """Write a formula in a sentence."""
    writer.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def displayed(writer, node):
    """Write a formula on a line of its own."""
    writer.body.append(f"<p>{latex2mathml.converter.convert(node.astext(), display='block')}</p>")
    raise nodes.SkipNode


def setup(app):
    """Have formulas written as MathML."""
    app.add_html_math_renderer("mathml", (in_line, None), (displayed, None))
