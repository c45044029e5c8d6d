def greet(text):
    doc = xml.dom.minidom.parseString(text)
    pool = concurrent.futures.ThreadPoolExecutor
    return doc.documentElement.tagName, p.basename("/a/b"), md.__name__, sqrt(4), pool.__name__, pi, collections.abc.Sized.__name__
