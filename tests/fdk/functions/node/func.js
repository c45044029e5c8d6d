const fdk = require('@fnproject/fdk')

fdk.handle(function (asked, ctx) {
  if (asked.act === 'raise') throw new Error('no luck')
  if (asked.act === 'text') {
    ctx.responseContentType = 'text/plain; charset=utf-8'
    ctx.setResponseHeader('X-Answer', 'yes')
    return 'word: ' + ctx.getHeader('X-Word')
  }
  console.log('seen', asked)
  return { hello: asked.name, app: ctx.config.FN_APP_NAME, fn: ctx.config.FN_FN_NAME, call: ctx.callID }
})
