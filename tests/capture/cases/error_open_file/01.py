import os
log = open(os.devnull)
log.close()
