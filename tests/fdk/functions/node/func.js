const fdk = require('@fnproject/fdk')

fdk.handle(function (asked, ctx) {
  if (asked.act === 'raise') throw new Error('no luck')
  if (asked.act === 'text') {
    ctx.responseContentType = 'text/plain; charset=utf-8'
    ctx.setResponseHeader('X-Answer', 'yes')
    return 'word: ' + ctx.getHeader('X-Word')
  }
  if (asked.act === 'gateway') {
    const http = ctx.httpGateway
    http.statusCode = 203
    http.setResponseHeader('X-Answer', 'yes')
    return { method: http.method, url: http.requestURL, word: http.getHeader('X-Word') }
  }
  console.log('seen', asked)
  return { hello: asked.name, app: ctx.config.FN_APP_NAME, fn: ctx.config.FN_FN_NAME, call: ctx.callID }
})
