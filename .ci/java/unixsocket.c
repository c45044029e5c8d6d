/* The unix sockets that Fn's FDK for Java asks for by JNI: what its run image has as libfnunixsocket.so, which
 * no jar brings. Made for the run image of .ci/toolchains, against the native methods of
 * com.fnproject.fn.runtime.ntv.UnixSocketNative. */
#define _GNU_SOURCE
#include <errno.h>
#include <jni.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_com_fnproject_fn_runtime_ntv_UnixSocketNative_##name
#define SOCKET_EXCEPTION "com/fnproject/fn/runtime/ntv/UnixSocketException"
#define ADDRESS(address) ((const struct sockaddr *)(address))

static void throw_named(JNIEnv *env, const char *name, const char *text) {
    jclass class = (*env)->FindClass(env, name);
    if (class != NULL) (*env)->ThrowNew(env, class, text); /* else that it is not there is thrown already */
}

/* Throws what `errno` says if `result` is a failure. */
static jint checked(JNIEnv *env, long result, const char *doing) {
    if (result < 0) {
        char text[256];
        snprintf(text, sizeof text, "%s: %s", doing, strerror(errno));
        int late = errno == EAGAIN || errno == EWOULDBLOCK;
        throw_named(env, late ? "java/net/SocketTimeoutException" : SOCKET_EXCEPTION, text);
    }
    return (jint)result;
}

/* The address of `path`; its length, or 0 with an exception thrown. */
static socklen_t address_of(JNIEnv *env, jstring path, struct sockaddr_un *address) {
    if (path == NULL) {
        throw_named(env, "java/lang/NullPointerException", "path");
        return 0;
    }
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    const char *text = (*env)->GetStringUTFChars(env, path, NULL);
    if (text == NULL) return 0;
    size_t length = strlen(text);
    if (length < sizeof address->sun_path) memcpy(address->sun_path, text, length);
    (*env)->ReleaseStringUTFChars(env, path, text);
    if (length >= sizeof address->sun_path) {
        throw_named(env, SOCKET_EXCEPTION, "the path is longer than a socket's may be");
        return 0;
    }
    return sizeof *address;
}

/* True if `length` bytes at `offset` are inside `array`; else an exception is thrown. */
static int within(JNIEnv *env, jbyteArray array, jint offset, jint length) {
    if (array == NULL) {
        throw_named(env, "java/lang/NullPointerException", "buffer");
        return 0;
    }
    if (offset < 0 || length < 0 || offset > (*env)->GetArrayLength(env, array) - length) {
        throw_named(env, "java/lang/IndexOutOfBoundsException", "outside of the buffer");
        return 0;
    }
    return 1;
}

static void set_timeout(JNIEnv *env, jint fd, int option, jint milliseconds) {
    struct timeval value = {milliseconds / 1000, (milliseconds % 1000) * 1000};
    checked(env, setsockopt(fd, SOL_SOCKET, option, &value, sizeof value), "setsockopt");
}

static jint get_timeout(JNIEnv *env, jint fd, int option) {
    struct timeval value = {0, 0};
    socklen_t length = sizeof value;
    checked(env, getsockopt(fd, SOL_SOCKET, option, &value, &length), "getsockopt");
    return (jint)(value.tv_sec * 1000 + value.tv_usec / 1000);
}

static void set_size(JNIEnv *env, jint fd, int option, jint size) {
    int value = size;
    checked(env, setsockopt(fd, SOL_SOCKET, option, &value, sizeof value), "setsockopt");
}

NATIVE(jint, socket)(JNIEnv *env, jclass class) {
    return checked(env, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

NATIVE(void, bind)(JNIEnv *env, jclass class, jint fd, jstring path) {
    struct sockaddr_un address;
    socklen_t length = address_of(env, path, &address);
    if (length) checked(env, bind(fd, ADDRESS(&address), length), "bind");
}

NATIVE(void, connect)(JNIEnv *env, jclass class, jint fd, jstring path) {
    struct sockaddr_un address;
    socklen_t length = address_of(env, path, &address);
    if (length) checked(env, connect(fd, ADDRESS(&address), length), "connect");
}

NATIVE(void, listen)(JNIEnv *env, jclass class, jint fd, jint backlog) {
    checked(env, listen(fd, backlog), "listen");
}

/* 0, which no connection has, if none came within so many milliseconds; 0 of them is any time. */
NATIVE(jint, accept)(JNIEnv *env, jclass class, jint fd, jlong milliseconds) {
    struct pollfd waiting = {fd, POLLIN, 0};
    int ready = poll(&waiting, 1, milliseconds > 0 ? (int)milliseconds : -1);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return 0;
    if (ready < 0) return checked(env, ready, "poll");
    return checked(env, accept4(fd, NULL, NULL, SOCK_CLOEXEC), "accept");
}

/* -1 at the end, as a stream of Java has it. */
NATIVE(jint, recv)(JNIEnv *env, jclass class, jint fd, jbyteArray buffer, jint offset, jint length) {
    if (!within(env, buffer, offset, length)) return 0;
    if (length == 0) return 0;
    jbyte part[16384];
    size_t most = (size_t)length < sizeof part ? (size_t)length : sizeof part;
    ssize_t got;
    do got = recv(fd, part, most, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) (*env)->SetByteArrayRegion(env, buffer, offset, (jsize)got, part);
    return got == 0 ? -1 : checked(env, got, "recv");
}

NATIVE(jint, send)(JNIEnv *env, jclass class, jint fd, jbyteArray buffer, jint offset, jint length) {
    if (!within(env, buffer, offset, length)) return 0;
    jbyte part[16384];
    jint done = 0;
    while (done < length) {
        jint most = length - done < (jint)sizeof part ? length - done : (jint)sizeof part;
        (*env)->GetByteArrayRegion(env, buffer, offset + done, most, part);
        for (jint at = 0; at < most;) {
            ssize_t sent = send(fd, part + at, (size_t)(most - at), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) return checked(env, sent, "send");
            at += (jint)sent;
        }
        done += most;
    }
    return done;
}

NATIVE(void, close)(JNIEnv *env, jclass class, jint fd) { checked(env, close(fd), "close"); }

NATIVE(void, shutdown)(JNIEnv *env, jclass class, jint fd, jboolean input, jboolean output) {
    if (!input && !output) return;
    int result = shutdown(fd, input && output ? SHUT_RDWR : input ? SHUT_RD : SHUT_WR);
    if (result < 0 && errno == ENOTCONN) return; /* the other side was faster */
    checked(env, result, "shutdown");
}

NATIVE(void, setSendTimeout)(JNIEnv *env, jclass class, jint fd, jint ms) { set_timeout(env, fd, SO_SNDTIMEO, ms); }
NATIVE(jint, getSendTimeout)(JNIEnv *env, jclass class, jint fd) { return get_timeout(env, fd, SO_SNDTIMEO); }
NATIVE(void, setRecvTimeout)(JNIEnv *env, jclass class, jint fd, jint ms) { set_timeout(env, fd, SO_RCVTIMEO, ms); }
NATIVE(jint, getRecvTimeout)(JNIEnv *env, jclass class, jint fd) { return get_timeout(env, fd, SO_RCVTIMEO); }
NATIVE(void, setSendBufSize)(JNIEnv *env, jclass class, jint fd, jint size) { set_size(env, fd, SO_SNDBUF, size); }
NATIVE(void, setRecvBufSize)(JNIEnv *env, jclass class, jint fd, jint size) { set_size(env, fd, SO_RCVBUF, size); }
