/** Starts one Elasticsearch node from bare jars: home folder, settings as key=value. */
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.PluginsLoader;

public class Node {
  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    Settings.Builder settings = Settings.builder().put("path.home", home);
    for (int at = 1; at < args.length; at++) {
      String[] pair = args[at].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    LogConfigurator.configureESLogging();
    Environment environment = new Environment(settings.build(), home.resolve("config"));
    PluginsLoader loader = PluginsLoader.createPluginsLoader(
        PluginsLoader.loadModulesBundles(environment.modulesDir(), false),
        PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false),
        Map.of());
    var node = new org.elasticsearch.node.Node(environment, loader).start();
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.prepareForClose();
        node.close();
      } catch (Exception error) {
        error.printStackTrace();
      }
      ended.countDown();
    }));
    ended.await();
  }
}
