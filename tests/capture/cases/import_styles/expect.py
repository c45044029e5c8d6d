import collections.abc
import concurrent.futures
import importlib.metadata as md
import xml.dom.minidom
from math import pi, sqrt
from os import path as p


def greet(text):
    doc = xml.dom.minidom.parseString(text)
    pool = concurrent.futures.ThreadPoolExecutor
    return doc.documentElement.tagName, p.basename("/a/b"), md.__name__, sqrt(4), pool.__name__, pi, collections.abc.Sized.__name__
