from os import path as p
import xml.dom.minidom
import importlib.metadata as md
from math import *
import concurrent.futures
import collections.abc
